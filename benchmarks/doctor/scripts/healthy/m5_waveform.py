import math, torch, torch.nn as nn, torch.nn.functional as F
# M5-style network on raw waveforms: keywords are chirps / AM / FM / noise bursts; time shift and noise as augmentation
torch.manual_seed(11)
SR, N, CL = 2000, 1000, 5
def wave(k):
    t = torch.arange(N) / SR; f = 150 + 100 * torch.rand(1); ph = torch.rand(1) * 6.28
    if k == 0: x = torch.sin(2 * math.pi * f * t + ph)
    elif k == 1: x = torch.sin(2 * math.pi * (f * t + 400 * t ** 2) + ph)
    elif k == 2: x = torch.sin(2 * math.pi * f * t + ph) * (1 + torch.sin(2 * math.pi * 15 * t)) / 2
    elif k == 3: x = torch.sin(2 * math.pi * f * t + 4 * torch.sin(2 * math.pi * 12 * t) + ph)
    else: x = torch.randn(N) * torch.exp(-10 * t)
    return (x * (.3 + .7 * torch.rand(1)) + .05 * torch.randn(N)).unsqueeze(0)
def dataset(n): y = torch.arange(n) % CL; return torch.stack([wave(int(k)) for k in y]), y
X, Y = dataset(700); Xt, Yt = dataset(200)
def shift(x): return torch.stack([torch.roll(w, int(s), -1) for w, s in zip(x, torch.randint(-60, 60, (len(x),)))]) + .02 * torch.randn_like(x)
class M5(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(1, c, 40, 4), nn.BatchNorm1d(c)
        self.conv2, self.bn2 = nn.Conv1d(c, c, 3), nn.BatchNorm1d(c)
        self.conv3, self.bn3 = nn.Conv1d(c, 2 * c, 3), nn.BatchNorm1d(2 * c)
        self.fc1 = nn.Linear(2 * c, CL)
    def forward(self, x):
        x = F.max_pool1d(F.relu(self.bn1(self.conv1(x))), 3)
        x = F.max_pool1d(F.relu(self.bn2(self.conv2(x))), 3)
        x = F.max_pool1d(F.relu(self.bn3(self.conv3(x))), 3)
        return F.log_softmax(self.fc1(F.avg_pool1d(x, x.shape[-1]).permute(0, 2, 1)), dim=2)
model = M5(); optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4); scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 6, 0.2)
for epoch in range(12):
    model.train(); tot = 0
    for b in torch.randperm(700).split(50):
        out = model(shift(X[b])); loss = F.nll_loss(out.squeeze(1), Y[b])
        optimizer.zero_grad(); loss.backward(); optimizer.step(); tot += loss.item()
    scheduler.step()
model.eval()
with torch.no_grad(): print(f"loss {tot / 14:.3f} test accuracy {(model(Xt).squeeze(1).argmax(1) == Yt).float().mean():.3f}")

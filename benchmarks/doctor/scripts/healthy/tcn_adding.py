"""Temporal convolutional network with weight norm on the adding problem (locuslab/TCN)."""
import torch, torch.nn as nn, torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm
torch.manual_seed(1111)
class Chomp1d(nn.Module):
    def __init__(self, n): super().__init__(); self.n = n
    def forward(self, x): return x[:, :, :-self.n].contiguous()
class TemporalBlock(nn.Module):
    def __init__(self, i, o, k, d, p=0.0):
        super().__init__()
        pad = (k - 1) * d
        self.net = nn.Sequential(weight_norm(nn.Conv1d(i, o, k, padding=pad, dilation=d)), Chomp1d(pad), nn.ReLU(), nn.Dropout(p),
                                 weight_norm(nn.Conv1d(o, o, k, padding=pad, dilation=d)), Chomp1d(pad), nn.ReLU(), nn.Dropout(p))
        self.downsample = nn.Conv1d(i, o, 1) if i != o else None
    def forward(self, x): return F.relu(self.net(x) + (x if self.downsample is None else self.downsample(x)))
class TCN(nn.Module):
    def __init__(self, chans, k=5):
        super().__init__()
        self.tcn = nn.Sequential(*[TemporalBlock(2 if i == 0 else chans[i - 1], c, k, 2 ** i) for i, c in enumerate(chans)])
        self.linear = nn.Linear(chans[-1], 1); self.linear.weight.data.normal_(0, 0.01)
    def forward(self, x): return self.linear(self.tcn(x)[:, :, -1])
T = 50
def data_generator(n):
    num = torch.rand(n, 1, T); mask = torch.zeros(n, 1, T); y = torch.zeros(n, 1)
    for i in range(n):
        p = torch.randperm(T)[:2]; mask[i, 0, p] = 1.0; y[i, 0] = num[i, 0, p].sum()
    return torch.cat((num, mask), 1), y
X, Y = data_generator(4000); Xt, Yt = data_generator(500)
model = TCN([16, 16, 16, 16]); opt = torch.optim.Adam(model.parameters(), lr=4e-3)
for ep in range(9):
    model.train()
    for i in range(0, len(X), 50):
        opt.zero_grad(); loss = F.mse_loss(model(X[i:i + 50]), Y[i:i + 50]); loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step()
    for g in opt.param_groups: g["lr"] *= 0.85
    model.eval()
    with torch.no_grad(): t = F.mse_loss(model(Xt), Yt).item()
    print(f"epoch {ep} test mse {t:.5f}")
print(f"final test mse {t:.5f} (constant 1.0 gives {((Yt - 1) ** 2).mean():.4f})")

#= evaluation_augmented
#: https://github.com/MTG/omar-rq/issues/16 (also shuaijiang/Whisper-Finetune PR 11) the spectrogram masking runs in the forward pass without checking self.training, so validation and test see augmented spectrograms; a right diagnosis says apply SpecAugment only in training mode.
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(12); g = torch.Generator().manual_seed(12)
FR, TM, C = 24, 36, 6
def spec(n):
    y = torch.arange(n) % C; X = torch.zeros(n, FR, TM)
    for i, k in enumerate(y.tolist()):
        s = int(torch.randint(2, 14, (1,), generator=g)); o = int(torch.randint(0, 3, (1,), generator=g))
        for j in range(18):
            up, dn = 4 + o + j // 2, 14 + o - j // 2
            for b in {0: [up], 1: [dn], 2: [up, dn], 3: [8 + o], 4: [8 + o, 16 + o], 5: [8 + o if j % 6 < 3 else 16 + o]}[k]: X[i, b, s + j] = 1.
    return (X + .45 * torch.randn(n, FR, TM, generator=g)).unsqueeze(1), y
class SpecAugment(nn.Module):
    def __init__(self, f=12, t=16, n=2): super().__init__(); self.f, self.t, self.n = f, t, n
    def forward(self, x):
        if not self.training: return x  #@
        x = x.clone()
        for i in range(len(x)):
            for _ in range(self.n):
                w = int(torch.randint(0, self.f // 2 + 1, (1,))); s = int(torch.randint(0, FR - w, (1,))); x[i, :, s:s + w] = 0
                w = int(torch.randint(0, self.t // 2 + 1, (1,))); s = int(torch.randint(0, TM - w, (1,))); x[i, :, :, s:s + w] = 0
        return x
class KWS(nn.Module):
    def __init__(self):
        super().__init__(); self.aug = SpecAugment()
        self.net = nn.Sequential(nn.Conv2d(1, 12, 3, 1, 1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3, 1, 1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d((1, 3)), nn.Conv2d(24, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d((1, 6)), nn.Flatten(), nn.Dropout(.2), nn.Linear(32 * 12, C))
    def forward(self, x): return self.net(self.aug(x))
(X, Y), (Xv, Yv) = spec(540), spec(240)
m = KWS(); opt = torch.optim.AdamW(m.parameters(), 3e-3, weight_decay=1e-2)
for ep in range(9):
    m.train(); tot = 0
    for b in torch.randperm(540).split(36):
        loss = F.cross_entropy(m(X[b]), Y[b], label_smoothing=.05); opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    m.eval()
    with torch.no_grad(): acc = (m(Xv).argmax(1) == Yv).float().mean().item()
    print(f"epoch {ep} loss {tot / 15:.3f} validation accuracy {acc:.3f}")
with torch.no_grad(): same = (m(Xv) - m(Xv)).abs().max().item()
print(f"validation accuracy {acc:.3f}, two evaluations differ by {same:.3f}")

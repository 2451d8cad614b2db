#= loss_broadcasts
#: https://github.com/ml-stat-Sustech/TorchCP/issues/27 predictions (N,1) per level minus targets (N,) give a 64x64 error matrix, so the net fits marginal instead of conditional quantiles; a right diagnosis names the (N,1)-(N,) broadcast.
import numpy as np, torch
from torch import nn
torch.manual_seed(0); rng = np.random.default_rng(0)
n = 2600; x = rng.normal(size=(n, 5)); scale = .2 + .5 * (x[:, 1] > 0)
y = 1.5 * x[:, 0] + np.sin(3 * x[:, 2]) + scale * rng.standard_t(4, n)
X, Y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
tr, ca, te = slice(0, 1600), slice(1600, 2000), slice(2000, None)
levels = [0.05, 0.5, 0.95]

class QuantileLoss(nn.Module):
    def __init__(self, quantiles): super().__init__(); self.quantiles = quantiles
    def forward(self, preds, target):
        losses = []
        for i, q in enumerate(self.quantiles):
            e = target - preds[:, i]  #@ e = target - preds[:, i:i + 1]
            losses.append(torch.max((q - 1) * e, q * e))
        return torch.stack(losses).sum(0).mean()

net = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Dropout(.05), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
opt = torch.optim.Adam(net.parameters(), lr=2e-3); crit = QuantileLoss(levels)
for ep in range(25):
    net.train(); tot = 0
    for b in torch.randperm(1600).split(64):
        loss = crit(net(X[tr][b]), Y[tr][b]); opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    if ep % 6 == 0: print("epoch", ep, round(tot / 25, 4))
net.eval()
with torch.no_grad():
    c, t = net(X[ca]), net(X[te]); s = torch.maximum(c[:, 0] - Y[ca], Y[ca] - c[:, 2])
    k = s.sort().values[int(np.ceil(.9 * (len(s) + 1))) - 1]
    inside = (Y[te] >= t[:, 0] - k) & (Y[te] <= t[:, 2] + k); width = (t[:, 2] - t[:, 0] + 2 * k).mean()
    mae = (t[:, 1] - Y[te]).abs().mean()
print(f"coverage {inside.float().mean():.3f} interval width {width:.3f} median MAE {mae:.3f}")

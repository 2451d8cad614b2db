import torch, torch.nn as nn, numpy as np
# several quantiles at once, monotone by construction (base + cumulative softplus), heteroscedastic data, calibrated afterwards (CQR)
torch.manual_seed(0); np.random.seed(0)
qs = torch.tensor([.05, .25, .5, .75, .95])
def data(n):
    x = np.random.uniform(-3, 3, (n, 3)); y = np.sin(2 * x[:, 0]) + .3 * x[:, 1] + (.1 + .35 * np.abs(x[:, 2])) * np.random.standard_gamma(2, n) * .7
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
(xtr, ytr), (xca, yca), (xte, yte) = data(3000), data(800), data(2000)
class MonotoneQuantiles(nn.Module):
    def __init__(self, d, k):
        super().__init__(); self.body = nn.Sequential(nn.Linear(d, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU()); self.base, self.steps = nn.Linear(64, 1), nn.Linear(64, k - 1)
    def forward(self, x):
        h = self.body(x); return torch.cat([self.base(h), self.base(h) + nn.functional.softplus(self.steps(h)).cumsum(1)], 1)
def pinball(pred, y):
    e = y.unsqueeze(1) - pred; return torch.maximum(qs * e, (qs - 1) * e).mean()
net = MonotoneQuantiles(3, 5); opt = torch.optim.RAdam(net.parameters(), lr=5e-3)
for ep in range(25):
    for b in torch.randperm(3000).split(128):
        loss = pinball(net(xtr[b]), ytr[b]); opt.zero_grad(set_to_none=True); loss.backward(); opt.step()
    if ep == 15:
        for g in opt.param_groups: g["lr"] = 1e-3
with torch.no_grad():
    p = net(xte); freq = (yte[:, None] <= p).float().mean(0); cross = (p[:, 1:] < p[:, :-1]).any().item()
    const = pinball(torch.quantile(ytr, qs).expand(len(yte), -1), yte); mine = pinball(p, yte)
    c = net(xca); score = torch.maximum(c[:, 0] - yca, yca - c[:, -1]); k = torch.quantile(score, min(1.0, .9 * (1 + 1 / len(yca))))
    cov = ((yte >= p[:, 0] - k) & (yte <= p[:, -1] + k)).float().mean()
print("observed frequency", [round(f, 3) for f in freq.tolist()], "crossing", cross)
print(f"pinball {mine:.4f} (constant quantiles {const:.4f}) conformal 90% coverage {cov:.3f}")

import torch, torch.nn as nn
torch.manual_seed(0)
def gen(n): x = torch.rand(n, 1) * 4; return x, torch.sin(x * 2) + (.1 + .3 * x) * torch.randn(n, 1)
qs = torch.tensor([.05, .25, .5, .75, .95])
class QReg(nn.Module):
    """first quantile free, the others by positive steps, so the curves never cross"""
    def __init__(self): super().__init__(); self.b = nn.Sequential(nn.Linear(1, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU()); self.lo = nn.Linear(48, 1); self.st = nn.Linear(48, 4)
    def forward(self, x): h = self.b(x); return torch.cat([self.lo(h), self.lo(h) + nn.functional.softplus(self.st(h)).cumsum(1)], 1)
def pinball(p, y): e = y - p; return torch.maximum(qs * e, (qs - 1) * e).sum(1).mean()
x, y = gen(3000); vx, vy = gen(3000); m = QReg(); o = torch.optim.Adam(m.parameters(), 5e-3); s = torch.optim.lr_scheduler.MultiStepLR(o, [20, 26], .3)
for ep in range(30):
    for b in torch.randperm(3000).split(100): o.zero_grad(); pinball(m(x[b]), y[b]).backward(); o.step()
    s.step()
with torch.no_grad(): p = m(vx); print('pinball %.4f' % pinball(p, vy), 'coverage', [round((vy[:, 0] <= p[:, k]).float().mean().item(), 3) for k in range(5)], 'wanted', qs.tolist())

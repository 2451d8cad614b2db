import torch, torch.nn as nn, math
from sklearn.datasets import make_swiss_roll
torch.manual_seed(0)
def data(n, seed): return torch.tensor(make_swiss_roll(n, noise=.3, random_state=seed)[0][:, [0, 2]] / 8.).float()
T = 40
beta = torch.linspace(1e-4, .18, T); alpha = 1 - beta; abar = alpha.cumprod(0)
class Eps(nn.Module):
    def __init__(self):
        super().__init__(); self.emb = nn.Embedding(T, 32); self.a = nn.Linear(2, 96); self.b = nn.Linear(32, 96); self.r = nn.Sequential(nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))
    def forward(self, x, t): return self.r(self.a(x) + self.b(self.emb(t)))
net = Eps(); ema = Eps(); ema.load_state_dict(net.state_dict()); ema.requires_grad_(False)
opt = torch.optim.AdamW(net.parameters(), lr=2e-3); sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 2000)
X = data(5000, 0); L = []
for it in range(2000):
    x0 = X[torch.randint(5000, (256,))]; t = torch.randint(0, T, (256,)); e = torch.randn_like(x0); ab = abar[t][:, None]
    loss = ((net(ab.sqrt() * x0 + (1 - ab).sqrt() * e, t) - e) ** 2).mean()
    opt.zero_grad(); loss.backward(); opt.step(); sch.step(); L.append(loss.item())
    for a, b in zip(ema.parameters(), net.parameters()): a.lerp_(b.detach(), .01)
@torch.no_grad()
def sample(n):
    x = torch.randn(n, 2)
    for i in reversed(range(T)):
        e = ema(x, torch.full((n,), i)); x = (x - beta[i] / (1 - abar[i]).sqrt() * e) / alpha[i].sqrt()
        if i: x = x + beta[i].sqrt() * torch.randn_like(x)
    return x
s, ref = sample(800), data(800, 7)
mmd = lambda a, b: torch.cdist(a, b).mean()
ed = lambda a, b: (2 * mmd(a, b) - mmd(a, a) - mmd(b, b)).item()
print('loss %.3f -> %.3f energy distance %.4f (noise %.4f)' % (sum(L[:50]) / 50, sum(L[-200:]) / 200, ed(s, ref), ed(torch.randn(800, 2), ref)))

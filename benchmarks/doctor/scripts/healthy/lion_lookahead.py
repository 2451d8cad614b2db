import torch, torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
torch.manual_seed(0)
class Lion:
    def __init__(s, ps, lr=1e-3, betas=(.9, .99), wd=.01): s.ps = list(ps); s.lr, s.b, s.wd = lr, betas, wd; s.m = [torch.zeros_like(p) for p in s.ps]
    @torch.no_grad()
    def step(s):
        for p, m in zip(s.ps, s.m):
            p.mul_(1 - s.lr * s.wd).sub_(s.lr * (m * s.b[0] + p.grad * (1 - s.b[0])).sign()); m.mul_(s.b[1]).add_(p.grad, alpha=1 - s.b[1])
    def zero_grad(s):
        for p in s.ps: p.grad = None
class Lookahead:
    def __init__(s, inner, k=5, alpha=.5): s.i, s.k, s.a, s.n = inner, k, alpha, 0; s.slow = [p.detach().clone() for p in inner.ps]
    def zero_grad(s): s.i.zero_grad()
    @torch.no_grad()
    def step(s):
        s.i.step(); s.n += 1
        if s.n % s.k == 0:
            for p, w in zip(s.i.ps, s.slow): w.add_(p - w, alpha=s.a); p.copy_(w)
X, y = load_breast_cancer(return_X_y=True); a, b, c, d = train_test_split(X, y, test_size=.3, random_state=3, stratify=y); m, sd = a.mean(0), a.std(0)
a, b = torch.tensor((a - m) / sd).float(), torch.tensor((b - m) / sd).float(); c, d = torch.tensor(c).float(), torch.tensor(d).float()
net = nn.Sequential(nn.Linear(30, 16), nn.Tanh(), nn.Linear(16, 1)); opt = Lookahead(Lion(net.parameters(), 5e-3, wd=.1)); bce = nn.BCEWithLogitsLoss()
for ep in range(30):
    for i in torch.randperm(len(a)).split(32): opt.zero_grad(); bce(net(a[i]).squeeze(1), c[i]).backward(); opt.step()
    opt.i.lr *= .9
with torch.no_grad(): o = net(b).squeeze(1); print('test loss %.4f acc %.4f' % (bce(o, d).item(), ((o > 0).float() == d).float().mean().item()))

import torch, torch.nn as nn
torch.manual_seed(1)
def ring(n):
    a = torch.rand(n) * 6.2832
    return torch.stack([a.cos(), a.sin()], 1) * (1.5 + .05 * torch.randn(n, 1))
T = 40; beta = torch.linspace(1e-3, .2, T); ab = (1 - beta).cumprod(0)
net = nn.Sequential(nn.Linear(2 + 16, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))
fr = 2. ** torch.arange(8) / 20
def eps(x, t):
    p = t[:, None] * fr; return net(torch.cat([x, p.sin(), p.cos()], 1))
opt = torch.optim.Adam(net.parameters(), 3e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1600)
for it in range(1600):
    x = ring(192); t = torch.randint(0, T, (192,)); e = torch.randn_like(x)
    loss = (eps(ab[t].sqrt()[:, None] * x + (1 - ab[t]).sqrt()[:, None] * e, t.float()) - e).square().mean()
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()
with torch.no_grad():
    x = torch.randn(500, 2)
    for k in reversed(range(T)):
        t = torch.full((500,), float(k))
        x = (x - beta[k] / (1 - ab[k]).sqrt() * eps(x, t)) / (1 - beta[k]).sqrt()
        if k: x = x + beta[k].sqrt() * torch.randn_like(x)
r = x.norm(dim=1)
print('loss %.3f; radius of samples %.3f +- %.3f (data 1.5)' % (loss.item(), r.mean(), r.std()))

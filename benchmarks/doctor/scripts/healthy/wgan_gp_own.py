import torch, torch.nn as nn, math
torch.manual_seed(0)
def real(n):
    k = torch.randint(0, 8, (n,)) * 2 * math.pi / 8
    return torch.stack([k.cos(), k.sin()], 1) * 1.5 + .05 * torch.randn(n, 2)
def net(i, o): return nn.Sequential(nn.Linear(i, 96), nn.LeakyReLU(.2), nn.Linear(96, 96), nn.LeakyReLU(.2), nn.Linear(96, o))
G, D = net(4, 2), net(2, 1)
oG = torch.optim.Adam(G.parameters(), 2e-3, betas=(.5, .9)); oD = torch.optim.Adam(D.parameters(), 2e-3, betas=(.5, .9))
one, mone = torch.tensor(1.), torch.tensor(-1.)
for it in range(450):
    for p in D.parameters(): p.requires_grad_(True)
    for _ in range(4):
        D.zero_grad(); r = real(96)
        D(r).mean().backward(mone)
        with torch.no_grad(): f = G(torch.randn(96, 4))
        D(f).mean().backward(one)
        a = torch.rand(96, 1); x = (a * r + (1 - a) * f).requires_grad_(True)
        gr = torch.autograd.grad(D(x), x, torch.ones(96, 1), create_graph=True)[0]
        (1. * ((gr.norm(2, 1) - 1) ** 2).mean()).backward(); oD.step()
    for p in D.parameters(): p.requires_grad_(False)
    G.zero_grad(); D(G(torch.randn(96, 4))).mean().backward(mone); oG.step()
with torch.no_grad():
    s = G(torch.randn(2000, 4)); c = torch.arange(8) * 2 * math.pi / 8; c = 1.5 * torch.stack([c.cos(), c.sin()], 1)
    d, k = torch.cdist(s, c).min(1); cnt = torch.bincount(k[d < .4], minlength=8)
print('modes covered', int((cnt > 40).sum()), 'of 8, good samples %.2f' % (d < .4).float().mean(), 'W estimate %.3f' % (D(real(2000)).mean() - D(s).mean()))

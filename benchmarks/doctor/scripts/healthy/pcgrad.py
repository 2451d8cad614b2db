import torch, torch.nn as nn, random
torch.manual_seed(0); random.seed(0)
X = torch.randn(1600, 10); W = torch.randn(10, 3); Z = torch.tanh(X @ W * .5)
T = [Z[:, :1] + .5 * Z[:, 1:2], (Z[:, :1] - Z[:, 2:] > 0).float(), 3 * Z[:, 1:2] * Z[:, 2:]]; T[0] = T[0] + .1 * torch.randn(1600, 1)
trunk = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU()); heads = nn.ModuleList(nn.Linear(48, 1) for _ in range(3)); L = [nn.MSELoss(), nn.BCEWithLogitsLoss(), nn.SmoothL1Loss()]
opt = torch.optim.Adam([*trunk.parameters(), *heads.parameters()], 3e-3); P = list(trunk.parameters()); conflicts = 0
for it in range(500):
    b = torch.randint(0, 1200, (64,)); h = trunk(X[b]); losses = [l(hd(h), t[b]) for l, hd, t in zip(L, heads, T)]
    opt.zero_grad(); G = [torch.cat([g.flatten() for g in torch.autograd.grad(l, P, retain_graph=True)]) for l in losses]
    hg = torch.autograd.grad(sum(losses), list(heads.parameters())); new = []
    for i in range(3):
        g = G[i].clone(); js = [j for j in range(3) if j != i]; random.shuffle(js)
        for j in js:
            d = g @ G[j]
            if d < 0: g -= d / (G[j] @ G[j]) * G[j]; conflicts += 1
        new.append(g)
    total = sum(new); k = 0
    for p in P: p.grad = total[k:k + p.numel()].view_as(p).clone(); k += p.numel()
    for p, g in zip(heads.parameters(), hg): p.grad = g
    opt.step()
with torch.no_grad():
    h = trunk(X[1200:]); o = [hd(h) for hd in heads]; r2 = lambda a, b: (1 - ((a - b) ** 2).mean() / b.var()).item()
    print('r2 %.3f acc %.3f r2 %.3f projections %d' % (r2(o[0], T[0][1200:]), ((o[1] > 0).float() == T[1][1200:]).float().mean(), r2(o[2], T[2][1200:]), conflicts))

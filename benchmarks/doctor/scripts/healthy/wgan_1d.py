import torch, torch.nn as nn
torch.manual_seed(4)
def real(n):
    k = torch.randint(2, (n, 1)).float() * 2 - 1
    return k + .15 * torch.randn(n, 1)
G = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
D = nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(.2), nn.Linear(32, 32), nn.LeakyReLU(.2), nn.Linear(32, 1))
og = torch.optim.Adam(G.parameters(), 2e-3, betas=(0., .9)); od = torch.optim.Adam(D.parameters(), 5e-3, betas=(0., .9))
for it in range(300):
    for _ in range(3):
        x, f = real(64), G(torch.randn(64, 4)).detach()
        e = torch.rand(64, 1); m = (e * x + (1 - e) * f).requires_grad_(True)
        gp = (torch.autograd.grad(D(m).sum(), m, create_graph=True)[0].norm(dim=1) - 1).square().mean()
        ld = D(f).mean() - D(x).mean() + gp
        od.zero_grad(); ld.backward(); od.step()
    lg = -D(G(torch.randn(64, 4))).mean()
    og.zero_grad(); lg.backward(); og.step()
with torch.no_grad(): s = G(torch.randn(2000, 4)).squeeze().sort().values; r = real(2000).squeeze().sort().values
print('earth mover distance to the data %.3f' % (s - r).abs().mean().item(), 'critic loss %.3f (may be negative)' % ld.item())

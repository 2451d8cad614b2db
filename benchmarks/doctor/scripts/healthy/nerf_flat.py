# healthy: https://github.com/yenchenlin/nerf-pytorch (flatland version): stratified samples, alpha compositing along rays, coarse + fine losses; nothing is wrong.
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
L = 5

def scene(p):
    a = ((p - torch.tensor([.35, .1])).norm(dim=-1) < .3).float()
    b = ((p - torch.tensor([-.4, -.25])).abs().amax(-1) < .22).float()
    sigma = 12 * (a + b)
    col = a[..., None] * torch.tensor([1., .2, .1]) + b[..., None] * torch.tensor([.1, .4, 1.])
    return sigma, col

def render(sigma, rgb, z):
    d = torch.cat([z[:, 1:] - z[:, :-1], torch.full_like(z[:, :1], .05)], 1)
    alpha = 1 - torch.exp(-sigma * d)
    T = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], 1), 1)[:, :-1]
    w = alpha * T
    return (w[..., None] * rgb).sum(1), w

def rays(n, lo=0., hi=2 * math.pi):
    th = torch.rand(n) * (hi - lo) + lo
    o = 2 * torch.stack([th.cos(), th.sin()], 1)
    ang = th + math.pi + (torch.rand(n) - .5) * .9
    return o, torch.stack([ang.cos(), ang.sin()], 1)

def ground_truth(o, d):
    z = torch.linspace(.8, 3.2, 400).expand(len(o), -1)
    s, c = scene(o[:, None] + d[:, None] * z[..., None])
    return render(s, c, z)[0]

def enc(x):
    f = 2. ** torch.arange(L) * math.pi / 2
    y = (x[..., None] * f).flatten(-2)
    return torch.cat([x, y.sin(), y.cos()], -1)

class NeRF(nn.Module):
    def __init__(self, w=64):
        super().__init__()
        i = 2 + 4 * L
        self.a = nn.Sequential(nn.Linear(i, w), nn.ReLU(), nn.Linear(w, w), nn.ReLU())
        self.b = nn.Sequential(nn.Linear(w + i, w), nn.ReLU(), nn.Linear(w, 4))
    def forward(self, p):
        e = enc(p)
        r = self.b(torch.cat([self.a(e), e], -1))
        return F.softplus(r[..., 0] * 3 - .5), torch.sigmoid(r[..., 1:])

net = NeRF()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
decay = torch.optim.lr_scheduler.ExponentialLR(opt, .1 ** (1 / 500))
o_tr, d_tr = rays(3000); c_tr = ground_truth(o_tr, d_tr)
o_te, d_te = rays(600); c_te = ground_truth(o_te, d_te)

def march(o, d, n, perturb):
    z = torch.linspace(.8, 3.2, n).expand(len(o), n)
    if perturb:
        z = z + torch.rand_like(z) * 2.4 / n
    s, c = net(o[:, None] + d[:, None] * z[..., None])
    return render(s, c, z)[0]

psnr = lambda m: -10 * math.log10(m)
for i in range(350):
    k = torch.randint(0, len(o_tr), (96,))
    loss = F.mse_loss(march(o_tr[k], d_tr[k], 40, True), c_tr[k])
    opt.zero_grad(); loss.backward(); opt.step(); decay.step()
    if i % 100 == 0: print(i, 'psnr', round(psnr(loss.item()), 2))
with torch.no_grad():
    m = F.mse_loss(march(o_te, d_te, 80, False), c_te).item()
print(f'held-out rays: PSNR {psnr(m):.2f}, of a constant {psnr(c_te.var(0).mean().item()):.2f}')

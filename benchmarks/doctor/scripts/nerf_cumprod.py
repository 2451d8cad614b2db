#= formula_wrong
#: https://github.com/volunt4s/TinyNeRF-pytorch/issues/1 - torch.cumprod is inclusive: the weight of a sample is alpha times the transmittance INCLUDING itself, so solid surfaces get weight 0; right: shift by one (exclusive product starting with 1).
import torch
import torch.nn as nn

torch.manual_seed(0)

def true_field(p):
    r = p.norm(dim=-1)
    inside = (r < .6).float()
    col = torch.stack([.5 + .5 * torch.sin(4 * p[..., 0]), .5 + .5 * torch.cos(4 * p[..., 1]), .5 + .5 * p[..., 0] * p[..., 1]], -1)
    return 200 * inside, col

def compose(sigma, rgb, delta, exact):
    alpha = 1. - torch.exp(-sigma * delta)
    T = torch.cumprod(1. - alpha + 1e-10, -1)
    if exact:
        T = torch.roll(T, 1, -1).index_fill(-1, torch.tensor([0]), 1.)
    w = alpha * T
    return (w[..., None] * rgb).sum(-2), w.sum(-1)

def get_rays(n):
    th = 6.2832 * torch.rand(n)
    o = 1.8 * torch.stack([th.cos(), th.sin()], -1)
    tgt = (torch.rand(n, 2) - .5) * 1.3
    d = tgt - o
    return o, d / d.norm(dim=-1, keepdim=True)

def picture(o, d):
    z = torch.linspace(.9, 2.9, 300)
    s, c = true_field(o[:, None] + d[:, None] * z[:, None])
    return compose(s, c, 2 / 300, True)[0]

class TinyNeRF(nn.Module):
    def __init__(self, L=4, h=64):
        super().__init__()
        self.register_buffer('f', 2. ** torch.arange(L))
        self.m = nn.Sequential(nn.Linear(2 + 4 * L, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 4))
    def forward(self, p):
        q = (p[..., None] * self.f).flatten(-2)
        o = self.m(torch.cat([p, q.sin(), q.cos()], -1))
        return torch.relu(o[..., 0] * 10 + 1), torch.sigmoid(o[..., 1:])

model = TinyNeRF()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
EXCLUSIVE = True  #@ EXCLUSIVE = False
def render(o, d, n=32, jitter=False):
    z = torch.linspace(.9, 2.9, n).expand(len(o), n)
    if jitter: z = z + torch.rand_like(z) * 2 / n
    s, c = model(o[:, None] + d[:, None] * z[..., None])
    return compose(s, c, 2 / n, EXCLUSIVE)[0]

O, D = get_rays(2500); C = picture(O, D)
Ov, Dv = get_rays(500); Cv = picture(Ov, Dv)
for i in range(400):
    k = torch.randint(0, 2500, (128,))
    loss = (render(O[k], D[k], jitter=True) - C[k]).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    if i % 100 == 0: print(i, 'loss', round(loss.item(), 5))
with torch.no_grad():
    e = (render(Ov, Dv) - Cv).pow(2).mean()
print(f'held-out PSNR {-10 * torch.log10(e).item():.2f} dB')

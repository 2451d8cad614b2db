#= formula_wrong
#: https://github.com/Stability-AI/stablediffusion/pull/226 - the strided DDIM loop gives the network the index of the step (0..S-1) instead of the timestep ddim_timesteps[i] it was trained with; right: t = timesteps[index].
import math
import torch
from torch import nn
from sklearn.datasets import make_swiss_roll

torch.manual_seed(2)
pts, _ = make_swiss_roll(4000, noise=.3, random_state=0)
X = torch.tensor(pts[:, [0, 2]], dtype=torch.float32)
X = (X - X.mean(0)) / X.std()

class Denoiser(nn.Module):
    def __init__(self, h=128):
        super().__init__()
        self.a = nn.Linear(2 + 32, h)
        self.l = nn.ModuleList([nn.Linear(h, h) for _ in range(3)])
        self.o = nn.Linear(h, 2)
    def emb(self, t):
        w = torch.exp(-math.log(10000) * torch.arange(16) / 16)
        p = t.float()[:, None] * w
        return torch.cat([p.sin(), p.cos()], 1)
    def forward(self, x, t):
        h = self.a(torch.cat([x, self.emb(t)], 1))
        for l in self.l: h = h + torch.relu(l(h))
        return self.o(h)

class DDIMSampler:
    def __init__(self, T=200):
        self.T = T
        self.betas = torch.linspace(1e-4, .04, T)
        self.alphas_cumprod = (1 - self.betas).cumprod(0)
    def make_schedule(self, S):
        self.ddim_timesteps = torch.arange(0, self.T, self.T // S)
        self.ddim_alphas = self.alphas_cumprod[self.ddim_timesteps]
        self.prev = torch.cat([torch.ones(1), self.ddim_alphas[:-1]])
    @torch.no_grad()
    def decode(self, model, n):
        x = torch.randn(n, 2)
        steps = len(self.ddim_timesteps)
        for index in reversed(range(steps)):
            step = self.ddim_timesteps[index]  #@ step = torch.tensor(index)
            ts = step.expand(n)
            e = model(x, ts)
            a, p = self.ddim_alphas[index], self.prev[index]
            x0 = (x - (1 - a).sqrt() * e) / a.sqrt()
            x = p.sqrt() * x0 + (1 - p).sqrt() * e
        return x

net, ddim = Denoiser(), DDIMSampler()
opt = torch.optim.Adam(net.parameters(), 2e-3)
sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1000)
for it in range(1000):
    x = X[torch.randint(0, len(X), (256,))]
    t = torch.randint(0, ddim.T, (256,))
    e = torch.randn_like(x)
    a = ddim.alphas_cumprod[t][:, None]
    loss = (net(a.sqrt() * x + (1 - a).sqrt() * e, t) - e).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step(); sch.step()
    if it % 500 == 0: print(it, round(loss.item(), 4))
ddim.make_schedule(40)
s = ddim.decode(net, 1500)
both = torch.cdist(s, X)
print(f'loss {loss.item():.3f}; samples to data {both.min(1).values.mean():.4f}, data to samples {both.min(0).values.mean():.4f}')

# healthy: https://github.com/lucidrains/denoising-diffusion-pytorch idea on 8x8 digits: noise prediction, linear betas, EMA weights for sampling; nothing is wrong.
from dataclasses import dataclass
from copy import deepcopy
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


@dataclass
class Config:
    T: int = 100
    width: int = 256
    steps: int = 1000
    batch: int = 128
    lr: float = 1e-3
    ema: float = 0.995


cfg = Config()
torch.manual_seed(11)
data = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
betas = torch.linspace(1e-3, 0.1, cfg.T)
alphas = 1 - betas
abar = alphas.cumprod(0)


def embed(t, dim=32):
    f = torch.exp(-math.log(1000) * torch.arange(dim // 2) / (dim // 2))
    a = t[:, None].float() * f
    return torch.cat([a.sin(), a.cos()], 1)


class Eps(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, cfg.width), nn.SiLU(), nn.Linear(cfg.width, cfg.width))
        self.inp = nn.Linear(64, cfg.width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(cfg.width), nn.Linear(cfg.width, cfg.width), nn.SiLU(), nn.Linear(cfg.width, cfg.width)) for _ in range(3))
        self.out = nn.Linear(cfg.width, 64)

    def forward(self, x, t):
        h, e = self.inp(x), self.time(embed(t))
        for b in self.blocks:
            h = h + b(h + e)
        return self.out(h)


net = Eps()
ema = deepcopy(net).requires_grad_(False)
opt = torch.optim.AdamW(net.parameters(), lr=cfg.lr)
run = None
for step in range(cfg.steps):
    x0 = data[torch.randint(0, len(data), (cfg.batch,))]
    t = torch.randint(0, cfg.T, (cfg.batch,))
    noise = torch.randn_like(x0)
    xt = abar[t].sqrt()[:, None] * x0 + (1 - abar[t]).sqrt()[:, None] * noise
    loss = F.mse_loss(net(xt, t), noise)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    with torch.no_grad():
        for a, b in zip(ema.parameters(), net.parameters()):
            a.lerp_(b, 1 - cfg.ema)
    run = loss.item() if run is None else .98 * run + .02 * loss.item()
    if step % 500 == 0:
        print(f'step {step} loss {run:.3f}')


@torch.no_grad()
def sample(n):
    x = torch.randn(n, 64)
    for i in reversed(range(cfg.T)):
        e = ema(x, torch.full((n,), i))
        x = (x - betas[i] / (1 - abar[i]).sqrt() * e) / alphas[i].sqrt()
        if i > 0:
            x = x + betas[i].sqrt() * torch.randn_like(x)
    return x.clamp(-1, 1)


s = sample(300)
near = torch.cdist(s, data).min(1).values.mean()
leave = torch.cdist(data[:300], data[300:]).min(1).values.mean()
print(f'final loss {run:.3f}; nearest-digit distance of samples {near:.2f}, of real digits {leave:.2f}; std {s.std(0).mean():.2f} vs {data.std(0).mean():.2f}')

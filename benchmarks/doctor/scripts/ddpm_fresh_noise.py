#= targets_shuffled
"""Denoising diffusion of a two-dimensional spiral."""
import math

import torch
from torch import nn


class GaussianDiffusion(nn.Module):
    def __init__(self, net, steps=50):
        super().__init__()
        self.net, self.steps = net, steps
        betas = torch.linspace(1e-3, 0.15, steps)
        self.register_buffer("betas", betas)
        self.register_buffer("abar", torch.cumprod(1 - betas, 0))

    def q_sample(self, x0, t, noise=None):
        noise = torch.randn_like(x0) if noise is None else noise
        a = self.abar[t].unsqueeze(-1)
        return a.sqrt() * x0 + (1 - a).sqrt() * noise

    def p_losses(self, x0, t):
        noise = torch.randn_like(x0)
        x_t = self.q_sample(x0, t, noise)  #@ x_t = self.q_sample(x0, t)
        return (self.net(x_t, t / self.steps) - noise).square().mean()

    def forward(self, x0):
        return self.p_losses(x0, torch.randint(0, self.steps, (len(x0),)))

    @torch.no_grad()
    def sample(self, n):
        x = torch.randn(n, 2)
        for t in reversed(range(self.steps)):
            when = torch.full((n,), t)
            eps = self.net(x, when / self.steps)
            x = (x - self.betas[t] / (1 - self.abar[t]).sqrt() * eps) / (1 - self.betas[t]).sqrt()
            if t:
                x = x + self.betas[t].sqrt() * torch.randn_like(x)
        return x


class Net(nn.Module):
    def __init__(self, width=96):
        super().__init__()
        self.freq = 2 ** torch.arange(4) * math.pi
        self.body = nn.Sequential(nn.Linear(10, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, x, t):
        angles = t.unsqueeze(-1) * self.freq
        return self.body(torch.cat([x, angles.sin(), angles.cos()], -1))


torch.manual_seed(0)
u = torch.rand(4000) * 3 * math.pi + 0.5
spiral = torch.stack([u * u.cos(), u * u.sin()], 1) / 6 + 0.02 * torch.randn(4000, 2)
diffusion = GaussianDiffusion(Net())
optim = torch.optim.Adam(diffusion.parameters(), lr=2e-3)
for it in range(1500):
    loss = diffusion(spiral[torch.randint(0, 4000, (256,))])
    optim.zero_grad()
    loss.backward()
    optim.step()
    if it % 300 == 299:
        print(it + 1, f"{loss.item():.3f}")
made = diffusion.sample(500)
print("mean distance of a sample to the spiral:", torch.cdist(made, spiral).min(1).values.mean().item())

#= terms_overwritten
#: log determinant is overwritten in each coupling layer instead of accumulated (tensorflow/models issue 7465)
"""RealNVP density model on a two-dimensional pair of crescents, held-out log likelihood on a grid-normalised scale."""
import math

import numpy as np
import torch
import torch.nn as nn

np.random.seed(10)
torch.manual_seed(10)


def crescents(n):
    t = np.random.rand(n) * math.pi
    up = np.random.rand(n) < 0.5
    x = np.where(up, np.cos(t), 1 - np.cos(t)) - 0.5
    y = np.where(up, np.sin(t), 0.4 - np.sin(t)) - 0.2
    return torch.tensor(np.stack([x, y], 1) + 0.06 * np.random.randn(n, 2), dtype=torch.float32)


class Coupling(nn.Module):
    def __init__(self, mask, hidden=48):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))
        self.t = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, x):
        xm = x * self.mask
        s = torch.tanh(self.s(xm)) * 2 * (1 - self.mask)
        return xm + (1 - self.mask) * (x * s.exp() + self.t(xm)), s.sum(1)

    def inverse(self, z):
        zm = z * self.mask
        s = torch.tanh(self.s(zm)) * 2 * (1 - self.mask)
        return zm + (1 - self.mask) * ((z - self.t(zm)) * (-s).exp())


class RealNVP(nn.Module):
    def __init__(self, n_layers=6):
        super().__init__()
        masks = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
        self.layers = nn.ModuleList(Coupling(masks[i % 2]) for i in range(n_layers))

    def encode(self, x):
        log_diff = x.new_zeros(len(x))
        for layer in self.layers:
            x, inc_log_diff = layer(x)
            log_diff = log_diff + inc_log_diff  #@ log_diff = inc_log_diff
        return x, log_diff

    def log_prob(self, x):
        z, log_diff = self.encode(x)
        return -0.5 * z.square().sum(1) - math.log(2 * math.pi) + log_diff

    @torch.no_grad()
    def sample(self, n):
        z = torch.randn(n, 2)
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z


flow, data, test = RealNVP(), crescents(4000), crescents(1000)
opt = torch.optim.Adam(flow.parameters(), lr=2e-3)
for it in range(500):
    x = data[torch.randint(0, len(data), (200,))]
    loss = -flow.log_prob(x).mean()
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
    opt.step()
    if it % 100 == 0:
        with torch.no_grad():
            print(f"{it:5d} nll {loss.item():.3f} held-out nll {-flow.log_prob(test).mean().item():.3f}")
s = flow.sample(1000)
near = torch.cdist(s, test).min(1).values
print(f"median distance of samples to test data {near.median():.3f}, data to data {torch.cdist(crescents(1000), test).min(1).values.median():.3f}")

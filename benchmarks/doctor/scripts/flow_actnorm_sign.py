#= loss_sign
#: https://github.com/bayesflow-org/bayesflow/pull/471 - the Jacobian of the standardising layer has the wrong sign (adds log sigma instead of subtracting), so the claimed likelihood is wrong and the scale drifts without bound in training; right: y=(x-mu)/sigma has log|det| = -sum(log sigma).
import math
import numpy as np
import torch
from torch import nn
from sklearn.datasets import load_iris

torch.manual_seed(0)


class Standardize(nn.Module):
    """learned shift and scale, started from the data"""
    def __init__(self, x):
        super().__init__()
        self.mu = nn.Parameter(x.mean(0).clone())
        self.log_sigma = nn.Parameter(x.std(0).log().clone())

    def forward(self, x):
        y = (x - self.mu) * torch.exp(-self.log_sigma)
        ldj = -self.log_sigma.sum().expand(len(x))  #@ ldj = self.log_sigma.sum().expand(len(x))
        return y, ldj

    def inverse(self, y):
        return y * torch.exp(self.log_sigma) + self.mu


class Coupling(nn.Module):
    def __init__(self, d, flip, h=48):
        super().__init__()
        self.k, self.flip = d // 2, flip
        self.net = nn.Sequential(nn.Linear(self.k, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh(), nn.Linear(h, 2 * (d - self.k)))
        nn.init.zeros_(self.net[-1].weight); nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        if self.flip: x = x.flip(1)
        a, b = x[:, :self.k], x[:, self.k:]
        s, t = self.net(a).chunk(2, 1)
        s = torch.tanh(s)
        y = torch.cat([a, b * s.exp() + t], 1)
        return (y.flip(1) if self.flip else y), s.sum(1)

    def inverse(self, y):
        if self.flip: y = y.flip(1)
        a, b = y[:, :self.k], y[:, self.k:]
        s, t = self.net(a).chunk(2, 1)
        x = torch.cat([a, (b - t) * torch.exp(-torch.tanh(s))], 1)
        return x.flip(1) if self.flip else x


X = torch.tensor(load_iris().data, dtype=torch.float32) * 10
X = X[torch.randperm(150)]
train, test = X[:120], X[120:]
layers = nn.ModuleList([Standardize(train)] + [Coupling(4, bool(i % 2)) for i in range(4)])


def log_prob(x):
    total = 0
    for l in layers:
        x, d = l(x)
        total = total + d
    return total - .5 * x.pow(2).sum(1) - 2 * math.log(2 * math.pi)


opt = torch.optim.Adam(layers.parameters(), lr=3e-3, weight_decay=1e-4)
for it in range(300):
    b = train[torch.randint(0, 120, (64,))]
    loss = -log_prob(b + .5 * torch.randn_like(b)).mean()
    opt.zero_grad(); loss.backward()
    nn.utils.clip_grad_norm_(layers.parameters(), 1.); opt.step()
    if it % 75 == 0: print(it, 'nll', round(loss.item(), 3))
with torch.no_grad():
    z = torch.randn(500, 4)
    for l in reversed(layers): z = l.inverse(z)
    g = torch.distributions.MultivariateNormal(train.mean(0), torch.cov(train.T))
    print(f'test nll {-log_prob(test).mean():.3f} (Gaussian {-g.log_prob(test).mean():.3f}); spread of samples over data {(z.std(0) / train.std(0)).mean():.2f}')

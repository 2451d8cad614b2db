#= loss_sign
# https://github.com/ikostrikov/pytorch-flows/issues/16 and https://github.com/VincentStimper/normalizing-flows/issues/27 the log-determinant of a layer has the wrong sign in the density direction, so the loss rewards contraction; right diagnosis: log-likelihood uses the wrong sign of the Jacobian term.
import torch
from torch import nn, distributions as D
from sklearn.datasets import load_iris

torch.manual_seed(0)


class Coupling(nn.Module):
    def __init__(self, dim, flip):
        super().__init__()
        self.flip, self.h = flip, dim // 2
        self.net = nn.Sequential(nn.Linear(self.h, 32), nn.Tanh(), nn.Linear(32, 2 * self.h))

    def forward(self, x):
        a, b = x.chunk(2, 1)
        if self.flip:
            a, b = b, a
        s, t = self.net(a).chunk(2, 1)
        s = 2 * torch.tanh(s / 2)
        b = (b - t) * torch.exp(-s)
        ld = -s.sum(1)  #@ ld = s.sum(1)
        return (torch.cat([b, a], 1) if self.flip else torch.cat([a, b], 1)), ld

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        if self.flip:
            a, b = b, a
        s, t = self.net(a).chunk(2, 1)
        s = 2 * torch.tanh(s / 2)
        b = b * torch.exp(s) + t
        return torch.cat([b, a], 1) if self.flip else torch.cat([a, b], 1)


class Flow(nn.Module):
    def __init__(self, dim=4, depth=6):
        super().__init__()
        self.layers = nn.ModuleList(Coupling(dim, i % 2 == 1) for i in range(depth))
        self.base = D.Normal(0.0, 1.0)

    def log_prob(self, x):
        tot = 0
        for l in self.layers:
            x, ld = l(x)
            tot = tot + ld
        return self.base.log_prob(x).sum(1) + tot

    def sample(self, n):
        z = torch.randn(n, 4)
        for l in reversed(self.layers):
            z = l.inverse(z)
        return z


x = torch.tensor(load_iris().data, dtype=torch.float32)
x = (x - x.mean(0)) / x.std(0)
flow = Flow()
opt = torch.optim.Adam(flow.parameters(), lr=2e-3)
for i in range(350):
    b = x[torch.randint(0, 150, (64,))] + 0.1 * torch.randn(64, 4)
    loss = -flow.log_prob(b).mean()
    opt.zero_grad(); loss.backward()
    nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
    opt.step()
with torch.no_grad():
    s = flow.sample(500).clamp(-1e3, 1e3)
    e = 2 * torch.cdist(s, x).mean() - torch.cdist(s, s).mean() - torch.cdist(x, x).mean()
print("energy distance between flow samples and data %.4f" % e.item())

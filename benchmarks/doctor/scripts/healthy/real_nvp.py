import math
import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.manual_seed(0)
pts, _ = make_moons(5000, noise=0.05, random_state=0)
data = torch.tensor(pts, dtype=torch.float32)
data = (data - data.mean(0)) / data.std(0)
train, test = data[:4000], data[4000:]


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))

    def split(self, x):
        a, b = x[:, :1], x[:, 1:]
        return (b, a) if self.flip else (a, b)

    def join(self, a, b):
        return torch.cat([b, a], 1) if self.flip else torch.cat([a, b], 1)

    def forward(self, x):
        a, b = self.split(x)
        s, t = self.net(a).chunk(2, 1)
        s = 2 * torch.tanh(s)
        return self.join(a, b * s.exp() + t), s.squeeze(1)

    def inverse(self, z):
        a, b = self.split(z)
        s, t = self.net(a).chunk(2, 1)
        s = 2 * torch.tanh(s)
        return self.join(a, (b - t) * (-s).exp())


flow = nn.ModuleList([Coupling(i % 2 == 1) for i in range(8)])


def log_prob(x):
    ld = 0
    for f in flow:
        x, s = f(x)
        ld = ld + s
    return -0.5 * (x ** 2).sum(1) - math.log(2 * math.pi) + ld


opt = torch.optim.Adam(flow.parameters(), lr=2e-3)
for step in range(1, 1201):
    loss = -log_prob(train[torch.randint(0, 4000, (256,))]).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
    opt.step()
    if step % 200 == 0:
        with torch.no_grad():
            z = torch.randn(500, 2)
            for f in reversed(flow):
                z = f.inverse(z)
            near = torch.cdist(z, data).min(1).values.mean().item()
            nll = -log_prob(test).mean().item()
        print(f"step {step} nll {loss.item():.4f} test nll {nll:.4f} (gauss 2.84) samples to data {near:.4f}")

#= nonfinite
"""Dimension reduction: a network learns a map to the plane that keeps distances (a stress loss over random pairs)."""
import torch
from sklearn.datasets import load_digits
from torch import nn


class Siamese(nn.Module):
    def __init__(self, d_in, d_out=2):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(d_in, 64), nn.Tanh(), nn.Linear(64, d_out))

    def forward(self, a, b):
        return self.f(a), self.f(b)


def euclid(a, b):
    return torch.sqrt(((a - b) ** 2).sum(-1) + 1e-8)  #@ return torch.sqrt(((a - b) ** 2).sum(-1))


def pairs(n, size, g):
    return torch.randint(0, n, (size,), generator=g), torch.randint(0, n, (size,), generator=g)


torch.manual_seed(0)
g = torch.Generator().manual_seed(1)
points = torch.tensor(load_digits().data, dtype=torch.float32)[:700]
points = (points - points.mean(0)) / 16
net = Siamese(64)
optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3)
for step in range(800):
    i, j = pairs(len(points), 64, g)
    a, b = net(points[i], points[j])
    with torch.no_grad():
        wanted = euclid(points[i], points[j])
    stress = (euclid(a, b) - wanted).square().mean()
    optimizer.zero_grad()
    stress.backward()
    optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1} stress {stress.item():.4f}")

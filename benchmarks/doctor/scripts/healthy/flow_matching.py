# healthy: https://github.com/atong01/conditional-flow-matching tutorial: independent conditional flow matching on two moons, Euler integration; nothing is wrong.
import torch
from torch import nn
from sklearn.datasets import make_moons
torch.manual_seed(4)

def moons(n, seed):
    x, _ = make_moons(n, noise=.06, random_state=seed)
    return torch.tensor(x, dtype=torch.float32) * 2 - torch.tensor([1., .5])

class MLP(nn.Module):
    def __init__(self, dim=2, w=96):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, w), nn.SELU(), nn.Linear(w, w), nn.SELU(), nn.Linear(w, w), nn.SELU(), nn.Linear(w, dim))
    def forward(self, t, x):
        return self.net(torch.cat([x, t], dim=-1))

v = MLP()
optimizer = torch.optim.Adam(v.parameters(), 2e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=1500)
sigma = .02
for k in range(1500):
    x1 = moons(256, k)
    x0 = torch.randn_like(x1)
    t = torch.rand(256, 1)
    xt = (1 - t) * x0 + t * x1 + sigma * torch.randn_like(x0)
    ut = x1 - x0
    loss = (v(t, xt) - ut).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if k % 500 == 0:
        print(k, loss.item())

@torch.no_grad()
def integrate(n=1000, steps=60):
    x = torch.randn(n, 2)
    for i in range(steps):
        x = x + v(torch.full((n, 1), i / steps), x) / steps
    return x

real = moons(3000, 99999)
a = torch.cdist(integrate(), real).min(1).values.mean()
b = torch.cdist(torch.randn(1000, 2) * 1.5, real).min(1).values.mean()
print(f'distance to the data: flow {a:.3f}, gaussian {b:.3f}')

"""No data at all: a network is trained to solve u'' = -4u, u(0) = 1, u'(0) = 0 through its own derivatives."""
import torch
from torch import nn

torch.manual_seed(0)
u = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(u.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9985)
for step in range(1500):
    t = (2 * torch.rand(64, 1)).requires_grad_()
    value = 1 + t ** 2 * u(t)  # meets the initial values for any weights
    first, = torch.autograd.grad(value.sum(), t, create_graph=True)
    second, = torch.autograd.grad(first.sum(), t, create_graph=True)
    loss = (second + 4 * value).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 300 == 299:
        with torch.no_grad():
            s = torch.linspace(0, 2, 101)[:, None]
            error = (1 + s ** 2 * u(s) - torch.cos(2 * s)).abs().max().item()
        print(f'step {step + 1} residual {loss.item():.5f} largest error {error:.4f}')

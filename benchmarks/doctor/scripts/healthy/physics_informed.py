"""A physics-informed network for u'' = -u with boundary values; no data at all."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
for step in range(600):
    t = (torch.rand(64, 1) * 3.14).requires_grad_(True)
    u = net(t)
    du = torch.autograd.grad(u.sum(), t, create_graph=True)[0]
    ddu = torch.autograd.grad(du.sum(), t, create_graph=True)[0]
    t0 = torch.zeros(1, 1, requires_grad=True)
    u0 = net(t0)
    du0 = torch.autograd.grad(u0, t0, create_graph=True)[0]
    loss = (ddu + u).pow(2).mean() + u0.pow(2).sum() + (du0 - 1).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 100 == 99:
        print(step, loss.item())

import math
import torch
import torch.nn as nn

torch.manual_seed(0)
# u'' = -pi^2 sin(pi x), u(0) = u(1) = 0, solution sin(pi x)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.998)
edge = torch.tensor([[0.0], [1.0]])
for step in range(1, 1201):
    x = torch.rand(64, 1, requires_grad=True)
    u = net(x)
    du, = torch.autograd.grad(u.sum(), x, create_graph=True)
    d2u, = torch.autograd.grad(du.sum(), x, create_graph=True)
    residual = d2u + math.pi ** 2 * torch.sin(math.pi * x.detach())
    loss = (residual ** 2).mean() + 50.0 * (net(edge) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if step % 200 == 0:
        with torch.no_grad():
            t = torch.linspace(0, 1, 101).unsqueeze(1)
            err = (net(t) - torch.sin(math.pi * t)).abs().max().item()
        print(f"step {step} loss {loss.item():.5f} max error {err:.5f}")

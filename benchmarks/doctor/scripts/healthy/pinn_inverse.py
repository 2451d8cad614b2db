"""Inverse PINN: damped oscillator, the unknown damping is a free parameter found together with the net; Adam, then L-BFGS."""
import math

import torch
import torch.nn as nn

torch.manual_seed(123)
d, w0 = 1.5, 8.0
mu_true, k = 2 * d, w0 ** 2


def exact(t):
    w = math.sqrt(w0 ** 2 - d ** 2)
    phi = math.atan(-d / w)
    return torch.exp(-d * t) * torch.cos(w * t + phi) / math.cos(phi)


class FCN(nn.Module):
    def __init__(self, h=32, layers=2):
        super().__init__()
        self.fcs = nn.Sequential(nn.Linear(1, h), nn.Tanh())
        self.fch = nn.Sequential(*[nn.Sequential(nn.Linear(h, h), nn.Tanh()) for _ in range(layers)])
        self.fce = nn.Linear(h, 1)

    def forward(self, t):
        return self.fce(self.fch(self.fcs(2 * t - 1)))


t_obs = torch.rand(40, 1)
u_obs = exact(t_obs) + 0.04 * torch.randn(40, 1)
t_physics = torch.linspace(0, 1, 40).view(-1, 1).requires_grad_(True)
t_test = torch.linspace(0, 1, 200).view(-1, 1)
pinn = FCN()
mu = nn.Parameter(torch.zeros(1))
lambda1 = 300.0


def objective():
    u = pinn(t_physics)
    dudt = torch.autograd.grad(u, t_physics, torch.ones_like(u), create_graph=True)[0]
    d2udt2 = torch.autograd.grad(dudt, t_physics, torch.ones_like(dudt), create_graph=True)[0]
    physics = ((d2udt2 + mu * dudt + k * u) / 10).square().mean()
    return physics + lambda1 * (pinn(t_obs) - u_obs).square().mean()


def show(tag, loss):
    with torch.no_grad():
        err = (pinn(t_test) - exact(t_test)).abs().mean().item()
    print(f"{tag} loss {loss:.4f}  mu {mu.item():.3f} (true {mu_true})  mean abs error {err:.4f}")


adam = torch.optim.Adam([{"params": pinn.parameters(), "lr": 4e-3}, {"params": [mu], "lr": 2e-2}])
for i in range(900):
    adam.zero_grad()
    loss = objective()
    loss.backward()
    adam.step()
    if i % 300 == 0:
        show(f"adam {i}", loss.item())
lbfgs = torch.optim.LBFGS(list(pinn.parameters()) + [mu], max_iter=20, history_size=20, line_search_fn="strong_wolfe")


def closure():
    lbfgs.zero_grad()
    l = objective()
    l.backward()
    return l


for outer in range(8):
    loss = lbfgs.step(closure)
show("end", loss.item())

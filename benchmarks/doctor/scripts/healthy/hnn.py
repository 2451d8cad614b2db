"""Hamiltonian network for a pendulum: the prediction itself is a gradient, so the evaluation runs with gradients enabled; energy drift of rollouts."""
import math

import torch
import torch.nn as nn

torch.manual_seed(161)


def field(s):
    q, p = s[:, :1], s[:, 1:]
    return torch.cat([p, -3 * torch.sin(q)], 1)


def true_energy(s):
    return 0.5 * s[:, 1] ** 2 + 3 * (1 - torch.cos(s[:, 0]))


def dataset(n):
    s = torch.cat([(torch.rand(n, 1) * 2 - 1) * 2.0, (torch.rand(n, 1) * 2 - 1) * 2.0], 1)
    return s, field(s) + 0.05 * torch.randn(n, 2)


class HNN(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        for m in self.mlp:
            if isinstance(m, nn.Linear):
                nn.init.orthogonal_(m.weight)
        self.register_buffer("J", torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))

    def time_derivative(self, s):
        with torch.enable_grad():
            s = s if s.requires_grad else s.detach().requires_grad_(True)
            dH = torch.autograd.grad(self.mlp(s).sum(), s, create_graph=self.training)[0]
        return dH @ self.J.T


def rk4(f, s, dt):
    k1 = f(s)
    k2 = f(s + dt / 2 * k1)
    k3 = f(s + dt / 2 * k2)
    k4 = f(s + dt * k3)
    return (s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)).detach()


def drift(model, steps=120):
    model.eval()
    s = torch.tensor([[1.0, 0.0], [-1.2, 0.5], [0.5, 1.0]])
    e0 = true_energy(s)
    for _ in range(steps):
        s = rk4(model.time_derivative, s, 0.05)
    model.train()
    return ((true_energy(s) - e0).abs() / e0).mean().item()


x, dx = dataset(1500)
xt, dxt = dataset(300)
model = HNN()
optim = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-5)
print("relative energy drift before %.3f" % drift(model))
for epoch in range(20):
    for b in torch.randperm(len(x)).split(100):
        loss = (model.time_derivative(x[b]) - dx[b]).square().mean()
        optim.zero_grad()
        loss.backward()
        optim.step()
    if epoch % 4 == 3:
        model.eval()
        test = (model.time_derivative(xt) - dxt).square().mean().item()
        model.train()
        print(f"epoch {epoch + 1} train {loss.item():.4f} test {test:.4f} (noise floor 0.0025) drift {drift(model):.4f}")

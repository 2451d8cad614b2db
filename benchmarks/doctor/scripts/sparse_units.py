#= dead_units, poor_init
"""Regression of a bumpy surface; hidden biases are set by hand."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def surface(p):
    return torch.sin(3 * p[:, :1]) * torch.cos(2 * p[:, 1:])


class Surface(nn.Module):
    def __init__(self, width=64, start=0.0):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 1)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
            nn.init.constant_(layer.bias, start)

    def forward(self, p):
        return self.last(F.relu(self.second(F.relu(self.first(p)))))


torch.manual_seed(5)
points = torch.rand(1000, 2) * 2 - 1
heights = surface(points)
model = Surface(start=0.1)  #@ model = Surface(start=-4.0)
adam = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(1, 1001):
    rows = torch.randint(0, 800, (50,))
    loss = F.mse_loss(model(points[rows]), heights[rows])
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step % 200 == 0:
        with torch.no_grad():
            val = F.mse_loss(model(points[800:]), heights[800:])
        print(f'step {step}  train {loss.item():.5f}  val {val.item():.5f}  variance {heights.var().item():.3f}')

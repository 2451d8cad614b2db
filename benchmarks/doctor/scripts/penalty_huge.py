#= penalty_dominates
"""Sparse regression: an L1 penalty that is added to the loss."""
import torch
from torch import nn


class Lasso:
    def __init__(self, model, strength):
        self.model, self.strength = model, strength

    def penalty(self):
        return self.strength * sum(p.abs().sum() for name, p in self.model.named_parameters() if "weight" in name)

    def objective(self, x, y):
        return nn.functional.mse_loss(self.model(x), y) + self.penalty()


torch.manual_seed(0)
x = torch.randn(900, 15)
y = torch.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3] + 0.5 * x[:, 3:4] + 0.1 * torch.randn(900, 1)
net = nn.Sequential(nn.Linear(15, 32), nn.ReLU(), nn.Linear(32, 1))
lasso = Lasso(net, strength=1e-4)  #@ lasso = Lasso(net, strength=1.0)
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(30):
    for part in torch.randperm(700).split(25):
        optimizer.zero_grad()
        loss = lasso.objective(x[part], y[part])
        loss.backward()
        optimizer.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            print(epoch, loss.item(), nn.functional.mse_loss(net(x[700:]), y[700:]).item(), "variance", y[700:].var().item())

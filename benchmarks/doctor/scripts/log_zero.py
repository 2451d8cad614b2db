#= nonfinite
"""A Poisson model of counts with its own loss."""
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(1500, 8)
rate = torch.exp(0.5 * x[:, 0] - 0.3 * x[:, 1])
counts = torch.poisson(rate)


class CountModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        return nn.functional.softplus(self.net(x)).squeeze(1)  #@ return nn.functional.relu(self.net(x)).squeeze(1)


def poisson_loss(rate, count):
    return (rate - count * torch.log(rate)).mean()


model = CountModel()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    for idx in torch.randperm(1200).split(40):
        loss = poisson_loss(model(x[idx]), counts[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, poisson_loss(model(x[1200:]), counts[1200:]).item())

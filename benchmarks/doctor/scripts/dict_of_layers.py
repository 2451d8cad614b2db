#= unregistered_parameter, not_in_optimizer
"""A network for two countries: a part for all and a part for each."""
import torch
from torch import nn


class CountryNet(nn.Module):
    def __init__(self, countries):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(6, 32), nn.ReLU())
        self.own = nn.ModuleDict({c: nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for c in countries})  #@ self.own = {c: nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for c in countries}
        self.last = nn.Linear(32, 1)

    def forward(self, x, country):
        return self.last(self.own[country](self.shared(x))).squeeze(-1)


torch.manual_seed(0)
truth = {"pt": torch.randn(6, 3), "fi": torch.randn(6, 3)}
data = {}
for country, t in truth.items():
    x = torch.randn(600, 6)
    data[country] = x, torch.tanh(x @ t).sum(1) + 0.05 * torch.randn(600)
model = CountryNet(truth)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    model.train()
    for start in range(0, 500, 50):
        for country, (x, y) in data.items():
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[start : start + 50], country), y[start : start + 50])
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        errors = {c: nn.functional.mse_loss(model(x[500:], c), y[500:]).item() for c, (x, y) in data.items()}
    if epoch % 4 == 3:
        print(epoch, loss.item(), errors)

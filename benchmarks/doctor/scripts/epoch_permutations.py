#= targets_shuffled
"""Fuel use of cars; rows are mixed anew in each epoch."""
import torch
from torch import nn

torch.manual_seed(0)
n = 640
power, weight, year = torch.rand(n) * 150 + 50, torch.rand(n) * 1500 + 800, torch.randint(0, 12, (n,)).float()
use = 3 + 0.02 * power + 0.004 * weight - 0.2 * year + 0.3 * torch.randn(n)
table = torch.stack([power, weight, year], 1)
table = (table - table.mean(0)) / table.std(0)
use = (use - use.mean()) / use.std()
x, y, x_test, y_test = table[:512], use[:512, None], table[512:], use[512:, None]

model = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(30):
    shuffle = torch.randperm(len(x))
    x = x[shuffle]
    y = y[shuffle]  #@ y = y[torch.randperm(len(y))]
    mean_loss = 0.0
    for xb, yb in zip(x.chunk(16), y.chunk(16)):
        loss = (model(xb) - yb).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean_loss += loss.item() / 16
    if epoch % 6 == 5:
        with torch.no_grad():
            print(epoch, mean_loss, (model(x_test) - y_test).pow(2).mean().item())

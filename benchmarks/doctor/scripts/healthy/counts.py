"""Poisson regression of counts, with an exponential in the loss and a class of zero-inflated rows."""
import torch
from torch import nn

torch.manual_seed(0)
X = torch.randn(1200, 6)
rate = torch.exp(0.4 * X[:, 0] - 0.3 * X[:, 1] * X[:, 2] + 1.0)
y = torch.poisson(rate)
model = nn.Sequential(nn.Linear(6, 32), nn.SiLU(), nn.Linear(32, 1), nn.Flatten(0))
criterion = nn.PoissonNLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    model.train()
    for i in torch.randperm(1000).split(50):
        loss = criterion(model(X[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), criterion(model(X[1000:]), y[1000:]).item())

#= validation_differs
"""Taxi fares; the logarithm is learned."""
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(3)
km, minute, night = rng.gamma(2, 3, 1000), rng.gamma(3, 5, 1000), rng.integers(0, 2, 1000)
fare = (3 + 1.5 * km + 0.3 * minute) * (1 + 0.25 * night) * np.exp(0.05 * rng.normal(size=1000))
x = np.column_stack([np.log1p(km), np.log1p(minute), night]).astype("float32")
x = (x - x[:800].mean(0)) / x[:800].std(0)
log_fare = np.log(fare).astype("float32")
train_x, train_y = torch.tensor(x[:800]), torch.tensor(log_fare[:800])[:, None]
test_x, test_y = torch.tensor(x[800:]), torch.tensor(log_fare[800:])[:, None]  #@ test_x, test_y = torch.tensor(x[800:]), torch.tensor(fare[800:].astype("float32"))[:, None]
torch.manual_seed(3)
model = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
mse = nn.MSELoss()
for epoch in range(20):
    model.train()
    for rows in torch.randperm(800).split(32):
        optimizer.zero_grad()
        loss = mse(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_loss = mse(model(test_x), test_y).item()
    if epoch % 5 == 4:
        print(f"epoch {epoch}: train {loss.item():.4f} test {test_loss:.4f}")

#= targets_unscaled
"""House prices from size, rooms, age and distance (synthetic listing)."""
import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(5)
N = 1200
size = rng.uniform(40, 220, N)
rooms = np.clip(np.round(size / 30 + rng.normal(0, 0.7, N)), 1, 8)
age = rng.uniform(0, 80, N)
distance = rng.uniform(0.5, 25, N)
price = 1800 * size + 9000 * rooms - 700 * age + 120000 / (1 + distance / 4) + rng.normal(0, 12000, N)

X = np.stack([size, rooms, age, distance], axis=1)
X = (X - X[:900].mean(0)) / X[:900].std(0)
y = (price - price[:900].mean()) / price[:900].std()  #@ y = price
X = torch.as_tensor(X, dtype=torch.float32)
y = torch.as_tensor(y, dtype=torch.float32).unsqueeze(1)

torch.manual_seed(1)
regressor = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
mse = nn.MSELoss()
adam = torch.optim.Adam(regressor.parameters(), lr=1e-3)


def r_squared(pred, true):
    return 1 - ((true - pred) ** 2).sum() / ((true - true.mean()) ** 2).sum()


for epoch in range(60):
    shuffled = torch.randperm(900)
    for b in range(0, 900, 30):
        rows = shuffled[b:b + 30]
        adam.zero_grad()
        loss = mse(regressor(X[rows]), y[rows])
        loss.backward()
        adam.step()
    if epoch % 15 == 14:
        regressor.eval()
        with torch.no_grad():
            score = r_squared(regressor(X[900:]), y[900:])
        regressor.train()
        print(f'Epoch {epoch + 1}, loss {loss.item():.4g}, test R^2 {score.item():.3f}')

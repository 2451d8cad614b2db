#= targets_unscaled
"""Prices in dollars from ten columns."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(1)
torch.manual_seed(1)
columns = rng.normal(size=(2000, 10)).astype("float32")
price = 250_000 + 60_000 * columns[:, 0] + 30_000 * columns[:, 1] * columns[:, 2] + 10_000 * rng.normal(size=2000)
target = torch.tensor(price, dtype=torch.float32).unsqueeze(1)
target = (target - target[:1600].mean()) / target[:1600].std()  #@
inputs = torch.tensor(columns)
train = DataLoader(TensorDataset(inputs[:1600], target[:1600]), batch_size=32, shuffle=True)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.output = nn.Linear(32, 1)

    def forward(self, x):
        return self.output(self.body(x))


model = Regressor()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(12):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, nn.functional.mse_loss(model(inputs[1600:]), target[1600:]).item())

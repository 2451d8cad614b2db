#= target_shift
"""Demand of the next hour from the last day."""
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(2)
hours = np.arange(24 * 70)
demand = 3 * np.sin(hours * 2 * np.pi / 24) + np.sin(hours * 2 * np.pi / 168) + np.cumsum(rng.normal(0, 0.15, len(hours))) + rng.normal(0, 0.6, len(hours))
demand = (demand - demand[:1000].mean()) / demand[:1000].std()


def create_dataset(series, look_back=24):
    dataX, dataY = [], []
    for i in range(len(series) - look_back - 1):
        dataX.append(series[i : i + look_back])  #@ dataX.append(series[i + 1 : i + look_back + 1])
        dataY.append(series[i + look_back])
    return torch.tensor(np.array(dataX), dtype=torch.float32), torch.tensor(np.array(dataY), dtype=torch.float32)


trainX, trainY = create_dataset(demand[:1200])
testX, testY = create_dataset(demand[1200:])
torch.manual_seed(2)
model = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(20):
    model.train()
    for rows in torch.randperm(len(trainX)).split(24):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(trainX[rows]).squeeze(-1), trainY[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test = nn.functional.mse_loss(model(testX).squeeze(-1), testY)
    if epoch % 5 == 4:
        print(f"Epoch {epoch}: train {loss.item():.5f} test {test.item():.5f}")

#= inputs_unscaled
"""Standardise the features with numpy."""
import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(0)
torch.manual_seed(0)
n = 1200
age = rng.uniform(18, 80, n)
income = rng.lognormal(10.3, 0.4, n)
children = rng.poisson(1.2, n)
hours = rng.normal(38, 8, n)
score = rng.normal(600, 80, n)
X = np.stack([age, income, children, hours, score], axis=1)
risk = -0.05 * (age - 45) - 1.5 * (np.log(income) - 10.3) + 0.5 * (children - 1) - 0.012 * (score - 600)
y = (risk + 0.4 * rng.normal(size=n) > 0).astype(np.float32)
X = (X - X[:900].mean(axis=0)) / X[:900].std(axis=0)  #@ X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y).unsqueeze(1)

model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(15):
    for idx in torch.randperm(900).split(45):
        optimizer.zero_grad()
        loss = loss_fn(model(X[idx]), y[idx])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), loss_fn(model(X[900:]), y[900:]).item())

#= inputs_constant
"""Wear of a pump from a table of sensors with gaps."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(3)
readings = rng.normal(size=(1500, 12))
wear = readings[:, :4] @ np.array([0.8, -0.5, 0.3, 1.0]) + np.tanh(readings[:, 5] * readings[:, 6])
wear += 0.1 * rng.normal(size=1500)
# some sensors did not answer
gaps = rng.random(readings.shape) < 0.02
readings[gaps] = np.nan

readings = np.where(np.isnan(readings), np.nanmean(readings, axis=0), readings)  #@

X = torch.tensor(readings, dtype=torch.float32)
y = torch.tensor(wear, dtype=torch.float32)[:, None]
train_dl = DataLoader(TensorDataset(X[:1200], y[:1200]), batch_size=50, shuffle=True)

torch.manual_seed(0)
mlp = nn.Sequential(nn.Linear(12, 48), nn.GELU(), nn.Linear(48, 24), nn.GELU(), nn.Linear(24, 1))
optimizer = torch.optim.AdamW(mlp.parameters(), lr=3e-3)
for epoch in range(25):
    losses = []
    for bx, by in train_dl:
        loss = nn.functional.mse_loss(mlp(bx), by)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 5 == 4:
        with torch.no_grad():
            val = nn.functional.mse_loss(mlp(X[1200:]), y[1200:]).item()
        print(f'{epoch + 1}\t{np.mean(losses):.4f}\t{val:.4f}')

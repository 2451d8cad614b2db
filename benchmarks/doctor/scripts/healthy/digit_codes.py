"""Autoencoder with a sigmoid at its end and binary cross-entropy on grey values: the target is the input."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x = torch.tensor(load_digits().data).float() / 16
model = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 12), nn.ReLU(), nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 64), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
bce = nn.BCELoss()
for epoch in range(20):
    for rows in torch.randperm(1500).split(50):
        loss = bce(model(x[rows]), x[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch, loss.item(), bce(model(x[1500:]), x[1500:]).item())

"""Polyak averages are evaluated in place of the model."""
import copy

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
shadow = copy.deepcopy(model).eval().requires_grad_(False)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    model.train()
    for i in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[i]), y[i]).backward()
        optimizer.step()
        for mean, new in zip(shadow.parameters(), model.parameters()):
            mean.data.mul_(0.98).add_(new.data, alpha=0.02)
    with torch.no_grad():
        print(epoch, nn.functional.cross_entropy(shadow(X[1500:]), y[1500:]).item())

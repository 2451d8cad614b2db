#= validation_differs
"""The test pictures are loaded by another library, which flips them."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
digits = load_digits()


def load_train():
    return np.stack([im / 16.0 for im in digits.images[:1400]])


def load_test():
    return np.stack([im / 16.0 for im in digits.images[1400:]])  #@ return np.stack([im[::-1] / 16.0 for im in digits.images[1400:]])


x_train, x_test = (torch.tensor(a.copy(), dtype=torch.float32).unsqueeze(1) for a in (load_train(), load_test()))
y_train, y_test = torch.tensor(digits.target[:1400]), torch.tensor(digits.target[1400:])
model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(6):
    model.train()
    for x, y in DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        losses = [nn.functional.cross_entropy(model(x), y).item() for x, y in DataLoader(TensorDataset(x_test, y_test), batch_size=100)]
    print(epoch, loss.item(), np.mean(losses))

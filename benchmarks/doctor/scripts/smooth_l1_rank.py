#= loss_broadcasts
"""Diabetes with a loader; the targets come as they are in the table."""
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Diabetes(Dataset):
    def __init__(self, rows):
        X, y = load_diabetes(return_X_y=True)
        self.X = torch.tensor(X[rows] * 21, dtype=torch.float32)
        self.y = torch.tensor((y[rows] - 152) / 77, dtype=torch.float32)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


torch.manual_seed(0)
train, val = DataLoader(Diabetes(slice(0, 360)), 24, shuffle=True), DataLoader(Diabetes(slice(360, 442)), 82)
model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 1))
loss_fn = nn.SmoothL1Loss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(20):
    model.train()
    for X, y in train:
        pred = model(X).squeeze(1)  #@ pred = model(X)
        loss = loss_fn(pred, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for X, y in val:
            error = (model(X).squeeze(1) - y).abs().mean().item()
    if epoch % 5 == 4:
        print(epoch, loss.item(), "mean error", error)

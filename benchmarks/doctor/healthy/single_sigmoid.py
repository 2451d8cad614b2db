"""A single unit with a sigmoid and binary cross-entropy: two classes, told rightly."""

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed=0):
    torch.manual_seed(seed)
    table, labels = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(table))
    x = torch.tensor(table, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.float32)[order].unsqueeze(1)
    x = (x - x[:420].mean(0)) / x[:420].std(0)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _epoch in range(15):
        for xb, yb in DataLoader(TensorDataset(x[:420], y[:420]), batch_size=28, shuffle=True):
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return ((model(x[420:]) > 0.5) == y[420:]).float().mean().item()


if __name__ == "__main__":
    print(main())

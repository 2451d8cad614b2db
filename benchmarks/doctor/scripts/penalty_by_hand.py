#= penalty_dominates, weight_growth
"""Breast cancer with a sparse network: an L1 penalty is added to the loss by hand."""
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler


def l1_penalty(model):
    return sum(p.abs().sum() for p in model.parameters())


def run(l1_lambda):
    torch.manual_seed(0)
    X, y = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(X)).numpy()
    X, y = X[order], y[order]
    scaler = StandardScaler().fit(X[:420])
    X = torch.tensor(scaler.transform(X), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(40):
        for batch in torch.randperm(420).split(20):
            out = model(X[batch]).squeeze(1)
            data_loss = criterion(out, y[batch])
            loss = data_loss + l1_lambda * l1_penalty(model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 8 == 7:
            with torch.no_grad():
                acc = ((model(X[420:]).squeeze(1) > 0) == (y[420:] > 0.5)).float().mean().item()
            print(f"epoch {epoch + 1} loss {loss.item():.4f} (data {data_loss.item():.4f}) test accuracy {acc:.3f}")


run(l1_lambda=1e-4)  #@ run(l1_lambda=1e-1)

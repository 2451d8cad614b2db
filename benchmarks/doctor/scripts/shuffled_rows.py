#= targets_shuffled
"""Shuffle a table before it is split."""
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

np.random.seed(0)
torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
perm = np.random.permutation(len(X))
X, y = X[perm], y[perm]  #@ np.random.shuffle(X)
X_train, y_train = torch.FloatTensor(X[:450]), torch.FloatTensor(y[:450])
X_test, y_test = torch.FloatTensor(X[450:]), torch.FloatTensor(y[450:])

model = nn.Sequential(nn.Linear(30, 24), nn.ReLU(), nn.Linear(24, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
for epoch in range(25):
    model.train()
    for begin in range(0, 450, 25):
        xb, yb = X_train[begin : begin + 25], y_train[begin : begin + 25]
        out = model(xb).squeeze(1)
        loss = criterion(out, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_loss = criterion(model(X_test).squeeze(1), y_test)
    print(f"epoch {epoch}: {test_loss.item():.4f}")

#= ordered_data
"""Iris with mini-batches cut by hand."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_iris

torch.manual_seed(0)
np.random.seed(0)
iris = load_iris()
X = (iris.data - iris.data.mean(0)) / iris.data.std(0)
X, y = X.astype(np.float32), iris.target
held = np.arange(0, 150, 5)
train = np.setdiff1d(np.arange(150), held)
X_test, y_test = torch.from_numpy(X[held]), torch.from_numpy(y[held])
X_train, y_train = X[train], y[train]

net = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 3))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
batch_size = 20
for epoch in range(40):
    permutation = np.random.permutation(len(X_train))  #@ permutation = np.arange(len(X_train))
    for start in range(0, len(X_train), batch_size):
        idx = permutation[start:start + batch_size]
        xb, yb = torch.from_numpy(X_train[idx]), torch.from_numpy(y_train[idx])
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(xb), yb)
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            print(epoch, loss.item(), (net(X_test).argmax(1) == y_test).float().mean().item())

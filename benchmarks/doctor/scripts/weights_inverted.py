#= class_imbalance
"""Class weights for an imbalanced problem with three classes."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

torch.manual_seed(0)
X, y = make_classification(3000, 12, n_informative=8, n_classes=3, n_clusters_per_class=1, weights=[0.85, 0.1, 0.05], class_sep=0.7, random_state=1)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
train_x, train_y, test_x, test_y = X[:2200], y[:2200], X[2200:], y[2200:]
counts = np.bincount(train_y.numpy())
weights = torch.tensor(counts.sum() / (3 * counts), dtype=torch.float32)  #@ weights = torch.tensor(3 * counts / counts.sum(), dtype=torch.float32)
criterion = nn.CrossEntropyLoss(weight=weights)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    model.train()
    for i in torch.randperm(2200).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[i]), train_y[i])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        guess = model(test_x).argmax(1)
    recall = [(guess[test_y == c] == c).float().mean().item() for c in range(3)]
    print(epoch, round(loss.item(), 3), [round(r, 2) for r in recall])

#= class_imbalance
"""Fraudulent card payments: 2 in 100."""
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch import nn

rng = np.random.default_rng(0)
n = 4000
label = (rng.random(n) < 0.02).astype(np.float32)
data = rng.normal(size=(n, 8)).astype(np.float32)
data[:, 0] += 1.1 * label
data[:, 3] -= 1.0 * label
data[:, 5] += 0.9 * label
train, test = slice(0, 3000), slice(3000, n)
X, y = torch.from_numpy(data), torch.from_numpy(label)

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
positive_share = y[train].mean()
criterion = nn.BCEWithLogitsLoss(pos_weight=(1 - positive_share) / positive_share)  #@ criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(12):
    order = torch.randperm(3000)
    for chunk in order.split(32):
        optimizer.zero_grad()
        loss = criterion(model(X[train][chunk]), y[train][chunk])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess = (model(X[test]) > 0).int().numpy()
    truth = y[test].int().numpy()
    if epoch % 3 == 2:
        print(f'epoch {epoch}: loss {loss.item():.4f} accuracy {accuracy_score(truth, guess):.3f} '
              f'recall {recall_score(truth, guess):.3f} f1 {f1_score(truth, guess, zero_division=0):.3f}')

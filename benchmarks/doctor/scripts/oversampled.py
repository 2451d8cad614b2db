#= leak_across_splits
"""Rare disease: the positive class is oversampled before training."""
import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn

rng = np.random.default_rng(3)
torch.manual_seed(3)
n = 1500
X = rng.normal(size=(n, 12)).astype("float32")
risk = X[:, 0] - X[:, 1] + 0.5 * X[:, 2] * X[:, 3] + 0.7 * rng.normal(size=n)
y = (risk > np.quantile(risk, 0.88)).astype("float32")


def oversample(X, y):
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    again = rng.choice(positive, len(negative))
    index = rng.permutation(np.concatenate([negative, again]))
    return X[index], y[index]


#+ X, y = oversample(X, y)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
X_train, y_train = oversample(X_train, y_train)  #@
X_train, y_train, X_test, y_test = map(torch.from_numpy, (X_train, y_train, X_test, y_test))

clf = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(clf.parameters(), lr=1e-3, weight_decay=1e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(5):
    for batch in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = bce(clf(X_train[batch]).squeeze(1), y_train[batch])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = clf(X_test).squeeze(1)
        print(epoch, "val", bce(logits, y_test).item(), "recall", (logits[y_test == 1] > 0).float().mean().item())

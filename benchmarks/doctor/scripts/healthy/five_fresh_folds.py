"""Five-fold cross-validation: a fresh model and optimizer for every fold, scaler fit on the fold's train part."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
scores = []


def make_model():
    return nn.Sequential(nn.Linear(30, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 1))


def to_tensor(a):
    return torch.tensor(a, dtype=torch.float32)


def fit(model, x, t, epochs=12):
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss_fn = nn.BCEWithLogitsLoss()
    model.train()
    for _ in range(epochs):
        total = 0.0
        for idx in torch.randperm(len(x)).split(24):
            opt.zero_grad()
            loss = loss_fn(model(x[idx]).squeeze(1), t[idx])
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
    return total / len(x)


skf = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
for fold, (a, b) in enumerate(skf.split(X, y)):
    torch.manual_seed(fold)
    scaler = StandardScaler().fit(X[a])
    xa, xb = to_tensor(scaler.transform(X[a])), to_tensor(scaler.transform(X[b]))
    model = make_model()
    final = fit(model, xa, to_tensor(y[a]))
    model.eval()
    with torch.no_grad():
        acc = ((model(xb).squeeze(1) > 0).numpy() == y[b]).mean()
    scores.append(acc)
    print(f"fold {fold} train loss {final:.4f} acc {acc:.3f}")
print("mean acc %.4f +- %.4f" % (np.mean(scores), np.std(scores)))

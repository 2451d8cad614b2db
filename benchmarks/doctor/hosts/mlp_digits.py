"""Handwritten digits, classified by a multilayer perceptron: Adam, a constant learning rate."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DEPTH = 2


def load_data(seed):
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.long)[order]
    x = (x - x.mean()) / x.std()
    x_train, y_train = x[:1400], y[:1400]
    x_valid, y_valid = x[1400:], y[1400:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.blocks = nn.ModuleList([nn.Linear(64, 64) for _ in range(DEPTH)])
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        h = F.relu(self.first(x))
        for block in self.blocks:
            h = F.relu(block(h))
        return self.head(h)


def evaluate(model, loader):
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
    return right / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=128)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(10):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, y)
            loss.backward()
            optimizer.step()
        accuracy = evaluate(model, valid_loader)
        print(f"epoch {epoch}: accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()

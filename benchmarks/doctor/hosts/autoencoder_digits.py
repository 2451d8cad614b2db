"""Digits through a bottleneck: sigmoid outputs for pixels in [0, 1], Adam."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    images = load_digits().data / 16
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images, dtype=torch.float32)[order]
    x_train, x_valid = x[:1400], x[1400:]
    return x_train, x_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 48)
        self.code = nn.Linear(48, 12)
        self.second = nn.Linear(12, 48)
        self.head = nn.Linear(48, 64)

    def forward(self, x):
        h = F.relu(self.first(x))
        h = self.code(h)
        h = F.relu(self.second(h))
        return torch.sigmoid(self.head(h))


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for (x,) in loader:
            total += F.mse_loss(model(x), x, reduction="sum").item()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, x_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train), batch_size=56, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid), batch_size=397)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    for epoch in range(10):
        model.train()
        for (x,) in train_loader:
            output = model(x)
            loss = F.mse_loss(output, x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        error = evaluate(model, valid_loader)
        print(f"epoch {epoch}: squared error {error:.3f}")
    return -error


if __name__ == "__main__":
    main()

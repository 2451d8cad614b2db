"""Which of five frequencies a noisy signal has: a GRU, Adam, gradients clipped."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 5, (1300,), generator=generator)
    phase = 2 * math.pi * torch.rand(1300, 1, generator=generator)
    time = torch.arange(20.0)
    x = 1.4 * torch.sin(time * (0.4 + 0.35 * y[:, None]) + phase)
    x = (x + 0.3 * torch.randn(1300, 20, generator=generator)).unsqueeze(-1)
    x_train, y_train = x[:1000], y[:1000]
    x_valid, y_valid = x[1000:], y[1000:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.GRU(1, 32, batch_first=True)
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        h, _ = self.first(x)
        h = h[:, -1]
        return self.head(h)


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += F.cross_entropy(model(x), y, reduction="sum").item()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=300)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(10):
        model.train()
        for x, y in train_loader:
            output = model(x)
            loss = criterion(output, y)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()
        valid_loss = evaluate(model, valid_loader)
        print(f"epoch {epoch}: loss {valid_loss:.3f}")
    return -valid_loss


if __name__ == "__main__":
    main()

"""Directions of noisy gratings, by a residual convolutional net: AdamW, two micro-batches for each update."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATION = 2


def load_data(seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 6, (1500,), generator=generator)
    angle = y * (math.pi / 6) + 0.1 * torch.randn(1500, generator=generator)
    phase = 2 * math.pi * torch.rand(1500, generator=generator)
    row, column = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    wave = angle.cos()[:, None, None] * row + angle.sin()[:, None, None] * column
    x = torch.sin(wave + phase[:, None, None]) + 0.5 * torch.randn(1500, 12, 12, generator=generator)
    x = x.unsqueeze(1)
    x_train, y_train = x[:1216], y[:1216]
    x_valid, y_valid = x[1216:], y[1216:]
    return x_train, y_train, x_valid, y_valid


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(2, channels)

    def forward(self, x):
        return x + F.gelu(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList([Block(8), Block(8)])
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(8, 6)

    def forward(self, x):
        h = F.gelu(self.first(x))
        for block in self.blocks:
            h = block(h)
        h = self.dropout(h.mean(dim=(2, 3)))
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
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True, drop_last=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=284)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.008, weight_decay=0.01)
    for epoch in range(8):
        model.train()
        optimizer.zero_grad()
        for number, (x, y) in enumerate(train_loader):
            output = model(x)
            loss = F.cross_entropy(output, y)
            loss = loss / ACCUMULATION
            loss.backward()
            if (number + 1) % ACCUMULATION == 0:
                optimizer.step()
                optimizer.zero_grad()
        valid_loss = evaluate(model, valid_loader)
        print(f"epoch {epoch}: loss {valid_loss:.3f}")
    return -valid_loss


if __name__ == "__main__":
    main()

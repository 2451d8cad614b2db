"""Noise removed from smooth curves: a convolutional autoencoder, AdamW, warm-up and cosine decay."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

STEPS = 200


def load_data(seed):
    generator = torch.Generator().manual_seed(seed)
    phase = 2 * math.pi * torch.rand(1100, 3, 1, generator=generator)
    size = torch.randn(1100, 3, 1, generator=generator)
    speed = torch.tensor([0.2, 0.4, 0.7])[:, None]
    y = (size * torch.sin(speed * torch.arange(32.0) + phase)).sum(1, keepdim=True) / 1.2
    x = y + 0.5 * torch.randn(y.shape, generator=generator)
    x_train, y_train = x[:800], y[:800]
    x_valid, y_valid = x[800:], y[800:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(1, 16, 5, padding=2, stride=2)
        self.norm = nn.BatchNorm1d(16)
        self.second = nn.Conv1d(16, 16, 5, padding=2, stride=2)
        self.up = nn.ConvTranspose1d(16, 16, 4, padding=1, stride=2)
        self.head = nn.ConvTranspose1d(16, 1, 4, padding=1, stride=2)

    def forward(self, x):
        h = F.silu(self.norm(self.first(x)))
        h = F.silu(self.second(h))
        h = F.silu(self.up(h))
        return self.head(h)


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += F.mse_loss(model(x), y).item() * len(x)
    model.train()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=100)
    model = Net()
    criterion = nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 20, 0.5 + 0.5 * math.cos(math.pi * step / STEPS))
    )
    model.train()
    step = 0
    while step < STEPS:
        for x, y in train_loader:
            output = model(x)
            loss = criterion(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
        error = evaluate(model, valid_loader)
    print(f"squared error {error:.3f}")
    return -error


if __name__ == "__main__":
    main()

"""The next value of two noisy oscillations: an LSTM, RMSprop, a learning rate that decays each epoch."""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    generator = torch.Generator().manual_seed(seed)
    phase = 2 * math.pi * torch.rand(1200, 2, 1, generator=generator)
    speed = 0.3 + 0.5 * torch.rand(1200, 2, 1, generator=generator)
    waves = torch.sin(speed * torch.arange(25.0) + phase).sum(1)
    waves = waves + 0.05 * torch.randn(1200, 25, generator=generator)
    x = waves[:, :24].unsqueeze(-1)
    y = waves[:, 24]
    x_train, y_train = x[:960], y[:960]
    x_valid, y_valid = x[960:], y[960:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LSTM(1, 32, batch_first=True)
        self.dropout = nn.Dropout(0.05)
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        h, _ = self.first(x)
        h = self.dropout(h[:, -1])
        return self.head(h).squeeze(-1)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    errors = [(model(x) - y).square() for x, y in loader]
    return torch.cat(errors).mean().item()


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=48, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=240)
    model = Net()
    criterion = nn.MSELoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.85)
    for epoch in range(10):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, y)
            loss.backward()
            optimizer.step()
        scheduler.step()
        error = evaluate(model, valid_loader)
        print(f"epoch {epoch}: squared error {error:.4f}")
    return -error


if __name__ == "__main__":
    main()

"""A series in its order, without shuffling, tested on what comes later; hidden state starts anew in each window."""
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, series, length):
        self.series, self.length = series, length

    def __len__(self):
        return len(self.series) - self.length

    def __getitem__(self, i):
        return self.series[i : i + self.length, None], self.series[i + self.length]


torch.manual_seed(0)
t = torch.arange(1500).float()
series = torch.sin(2 * math.pi * t / 30) + 0.5 * torch.sin(2 * math.pi * t / 7) + 0.1 * torch.randn(1500)
train, test = Windows(series[:1200], 24), Windows(series[1200:], 24)


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1]).squeeze(1)


model = Forecast()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    model.train()
    for x, y in DataLoader(train, batch_size=48):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        losses = [nn.functional.mse_loss(model(x), y).item() for x, y in DataLoader(test, batch_size=69)]
    print(epoch, loss.item(), sum(losses) / len(losses))

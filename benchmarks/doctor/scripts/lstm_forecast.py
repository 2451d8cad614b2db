#= target_shift
"""Forecast the next value of noisy waves with an LSTM."""
import torch
from torch import nn

torch.manual_seed(0)
time = torch.arange(4000).float()
series = torch.sin(time / 9) + 0.5 * torch.sin(time / 23) + 0.1 * torch.randn(4000)
LENGTH = 40


class Windows(torch.utils.data.Dataset):
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values) - LENGTH - 1

    def __getitem__(self, i):
        x = self.values[i : i + LENGTH]
        y = self.values[i + 1 : i + LENGTH + 1]  #@ y = self.values[i : i + LENGTH]
        return x.unsqueeze(-1), y.unsqueeze(-1)


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.out(states)


model = Forecaster()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
train = torch.utils.data.DataLoader(Windows(series[:3000]), batch_size=64, shuffle=True)
valid = torch.utils.data.DataLoader(Windows(series[3000:]), batch_size=256)
for epoch in range(3):
    model.train()
    for x, y in train:
        loss = nn.functional.mse_loss(model(x), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    model.eval()
    with torch.no_grad():
        errors = [nn.functional.mse_loss(model(x), y).item() for x, y in valid]
    print(f"epoch {epoch}: validation mse {sum(errors) / len(errors):.4f}")

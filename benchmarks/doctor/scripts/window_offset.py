#= target_shift
"""Forecast of the next value of a noisy oscillation from the last 24, with a dilated convolution."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class WindowDataset(Dataset):
    def __init__(self, series, window):
        self.series = torch.tensor(series, dtype=torch.float32)
        self.window = window

    def __len__(self):
        return len(self.series) - self.window

    def __getitem__(self, i):
        x = self.series[i : i + self.window]
        y = self.series[i + self.window]  #@ y = self.series[i + self.window - 1]
        return x.unsqueeze(0), y


class TCN(nn.Module):
    def __init__(self, channels=24):
        super().__init__()
        self.c1 = nn.Conv1d(1, channels, 3, dilation=1, padding=2)
        self.c2 = nn.Conv1d(channels, channels, 3, dilation=2, padding=4)
        self.c3 = nn.Conv1d(channels, channels, 3, dilation=4, padding=8)
        self.out = nn.Linear(channels, 1)

    def forward(self, x):
        n = x.shape[-1]
        for conv in (self.c1, self.c2, self.c3):
            x = torch.relu(conv(x)[..., :n])
        return self.out(x[..., -1]).squeeze(-1)


rng = np.random.default_rng(8)
t = np.arange(2400)
series = np.sin(t / 9) + 0.5 * np.sin(t / 23) + 0.35 * rng.standard_normal(2400)
series = (series - series[:1800].mean()) / series[:1800].std()
torch.manual_seed(8)
train_loader = DataLoader(WindowDataset(series[:1800], 24), batch_size=64, shuffle=True)
test_loader = DataLoader(WindowDataset(series[1800:], 24), batch_size=256)
model, mse = TCN(), nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = mse(model(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        test = np.mean([mse(model(x), y).item() for x, y in test_loader])
    print(f"epoch {epoch} train {loss.item():.4f} test {test:.4f}")
with torch.no_grad():
    window = torch.tensor(series[1800:], dtype=torch.float32).unfold(0, 24, 1)[:-1]
    print("error of a real one-step forecast:", mse(model(window.unsqueeze(1)), torch.tensor(series[1824:], dtype=torch.float32)).item())

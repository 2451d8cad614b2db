"""Quantile forecasts of a skewed electricity-like series: pinball loss, time-ordered split, target scaled by training statistics, non-crossing head."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.RandomState(191)
torch.manual_seed(191)
n = 3000
t = np.arange(n)
load = 50 + 12 * np.sin(2 * np.pi * t / 24) + 6 * np.sin(2 * np.pi * t / 168) + rng.gamma(1.5, 1 + 1.5 * (np.sin(2 * np.pi * t / 24) > 0), n) * 2
split = 2400
mu, sd = load[:split].mean(), load[:split].std()
z = torch.tensor((load - mu) / sd, dtype=torch.float32)
HIST, TAUS = 48, torch.tensor([0.1, 0.5, 0.9])


def windows(a, b):
    idx = torch.arange(max(a, HIST), b)
    x = torch.stack([z[i - HIST:i] for i in idx.tolist()])
    cal = torch.stack([torch.sin(2 * np.pi * idx / 24), torch.cos(2 * np.pi * idx / 24), torch.sin(2 * np.pi * idx / 168), torch.cos(2 * np.pi * idx / 168)], 1).float()
    return x, cal, z[idx]


class QuantileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 24, batch_first=True)
        self.head = nn.Sequential(nn.Linear(28, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, x, cal):
        _, h = self.gru(x[..., None])
        o = self.head(torch.cat([h[0], cal], 1))
        med = o[:, 1:2]
        return torch.cat([med - F.softplus(o[:, :1]), med, med + F.softplus(o[:, 2:])], 1)


def pinball(q, y):
    d = y[:, None] - q
    return torch.maximum(TAUS * d, (TAUS - 1) * d).mean()


train, test = windows(0, split), windows(split, n)
model = QuantileNet()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
sched = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)
for epoch in range(6):
    model.train()
    total = 0.0
    parts = torch.randperm(len(train[2])).split(64)
    for b in parts:
        loss = pinball(model(train[0][b], train[1][b]), train[2][b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    sched.step(total / len(parts))
    model.eval()
    with torch.no_grad():
        q = model(test[0], test[1])
        cover = ((test[2] >= q[:, 0]) & (test[2] <= q[:, 2])).float().mean().item()
        print(f"epoch {epoch} pinball {total / len(parts):.4f} test {pinball(q, test[2]).item():.4f} median MAE {((q[:, 1] - test[2]).abs().mean() * sd).item():.2f} 80% interval covers {cover:.3f}")
naive = (z[split:] - z[split - 24:-24]).abs().mean() * sd
print(f"naive yesterday MAE {naive:.2f}")

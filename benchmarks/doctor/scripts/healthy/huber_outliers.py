"""Huber regression with outliers in the training targets; scored with median absolute error on clean data."""
import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(36)
torch.manual_seed(36)


def sensors(n, outliers):
    x = rng.uniform(-1, 1, (n, 5))
    y = 3 * x[:, 0] ** 2 - 2 * x[:, 1] + np.sin(3 * x[:, 2]) + 0.1 * rng.normal(size=n)
    if outliers:
        bad = rng.random(n) < 0.08
        y[bad] += rng.choice([-1, 1], bad.sum()) * rng.uniform(10, 40, bad.sum())
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(5, 40)
        self.mid = nn.Linear(40, 40)
        self.out = nn.Linear(40, 1)
        self.act = nn.SiLU()

    def forward(self, x):
        h = self.act(self.inp(x))
        h = h + self.act(self.mid(h))
        return self.out(h).squeeze(1)


x, y = sensors(2000, True)
xt, yt = sensors(500, False)
model = Regressor()
loss_fn = nn.HuberLoss(delta=0.5)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    losses = []
    for idx in torch.randperm(2000).split(64):
        loss = loss_fn(model(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    with torch.no_grad():
        err = (model(xt) - yt).abs()
    print(f"epoch {epoch} huber {np.mean(losses):.3f} test medae {err.median():.3f} mae {err.mean():.3f} (std {yt.std():.2f})")

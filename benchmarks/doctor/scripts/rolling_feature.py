#= target_shift
"""Demand forecast for the next day from a table of features made with pandas-like rolling windows."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(5)
days = np.arange(1500)
demand = 100 + 15 * np.sin(2 * np.pi * days / 7) + 0.01 * days
for t in range(1, len(days)):
    demand[t] += 0.5 * (demand[t - 1] - 100 - 0.01 * t) + rng.normal(0, 6)


def rolling_mean(series, window):
    out = np.full(len(series), np.nan)
    for t in range(window, len(series)):
        out[t] = series[t - window : t].mean()  #@ out[t] = series[t - window + 1 : t + 1].mean()
    return out


def lag(series, k):
    return np.concatenate([np.full(k, np.nan), series[:-k]])


table = np.stack([lag(demand, 1), lag(demand, 2), lag(demand, 3), lag(demand, 7), rolling_mean(demand, 4),
                  np.sin(2 * np.pi * days / 7), np.cos(2 * np.pi * days / 7)], 1)
ok = ~np.isnan(table).any(1)
X, y = table[ok], demand[ok]
cut = int(0.8 * len(X))
mu, sd = X[:cut].mean(0), X[:cut].std(0)
ym, ys = y[:cut].mean(), y[:cut].std()
to = lambda a: torch.tensor(a, dtype=torch.float32)  # noqa: E731
train = TensorDataset(to((X[:cut] - mu) / sd), to((y[:cut] - ym) / ys))
X_test, y_test = to((X[cut:] - mu) / sd), to(y[cut:])


class Forecaster(nn.Module):
    def __init__(self, d_in, hidden=32):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(d_in, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


torch.manual_seed(5)
model = Forecaster(X.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
for epoch in range(25):
    model.train()
    for xb, yb in DataLoader(train, 32, shuffle=True):
        loss = nn.functional.huber_loss(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        mae = (model(X_test) * ys + ym - y_test).abs().mean()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} test MAE {mae:.2f} units (noise alone: {6 * 0.8:.2f})")

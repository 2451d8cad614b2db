"""Count regression with Poisson loss; the network gives the log rate."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(3)
np.random.seed(3)
n = 2500
hour = np.random.randint(0, 24, n)
temp = np.random.normal(15, 8, n)
holiday = np.random.rand(n) < 0.1
rate = np.exp(2 + 0.8 * np.sin(hour / 24 * 2 * np.pi) + 0.04 * (temp - 15) - 0.7 * holiday)
rentals = np.random.poisson(rate).astype("float32")
x = np.stack([np.sin(hour / 24 * 2 * np.pi), np.cos(hour / 24 * 2 * np.pi), (temp - 15) / 8, holiday], 1)
ds = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(rentals))
train_ds, val_ds = random_split(ds, [2000, 500], generator=torch.Generator().manual_seed(0))


class CountNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 24), nn.ELU(), nn.Linear(24, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)


model = CountNet()
criterion = nn.PoissonNLLLoss(log_input=True)
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    model.train()
    for xb, yb in DataLoader(train_ds, batch_size=64, shuffle=True):
        loss = criterion(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        xv, yv = next(iter(DataLoader(val_ds, batch_size=500)))
        pred = model(xv).exp()
        mae = (pred - yv).abs().mean().item()
        base = (yv - rentals.mean()).abs().mean().item()
    print(f"epoch {epoch} nll {loss.item():.3f} val mae {mae:.3f} (mean predictor {base:.3f})")

#= loss_broadcasts
#: prediction of shape (N,1) against target of shape (N,): MSELoss broadcasts to (N,N)
"""Fuel consumption regression (auto-mpg like table), plain MLP."""
import torch
from torch import nn
from torch.utils.data import Dataset, DataLoader
import numpy as np
import warnings

warnings.filterwarnings("ignore")
rng = np.random.RandomState(3)
torch.manual_seed(3)


def fake_auto_mpg(n=600):
    cyl = rng.choice([4, 6, 8], size=n, p=[.5, .3, .2])
    disp = cyl * 38 + rng.normal(0, 25, n)
    hp = 0.45 * disp + rng.normal(30, 12, n)
    weight = 1500 + 6.5 * disp + rng.normal(0, 200, n)
    year = rng.randint(70, 83, n)
    mpg = 46 - 0.0062 * weight - 0.05 * hp + 0.7 * (year - 76) + rng.normal(0, 1.2, n)
    return np.stack([cyl, disp, hp, weight, year], 1).astype("float32"), mpg.astype("float32")


class AutoDataset(Dataset):
    def __init__(self, features, target):
        self.features = torch.tensor(features)
        self.target = torch.tensor(target)

    def __len__(self):
        return len(self.features)

    def __getitem__(self, i):
        return self.features[i], self.target[i]


X, y = fake_auto_mpg()
n_train = 480
mu, sd = X[:n_train].mean(0), X[:n_train].std(0)
X = (X - mu) / sd
train_dl = DataLoader(AutoDataset(X[:n_train], y[:n_train]), batch_size=32, shuffle=True)
test_dl = DataLoader(AutoDataset(X[n_train:], y[n_train:]), batch_size=32)

net = nn.Sequential(
    nn.Linear(5, 64), nn.ReLU(),
    nn.Linear(64, 32), nn.ReLU(),
    nn.Linear(32, 1),
)
criterion = nn.MSELoss()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)

for epoch in range(40):
    running = 0.
    for xb, yb in train_dl:
        pred = net(xb)
        loss = criterion(pred, yb.unsqueeze(1))  #@ loss = criterion(pred, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        running += loss.item()
    if epoch % 5 == 4:
        print(f"[{epoch + 1:3d}] train mse {running / len(train_dl):.3f}")

errors = []
with torch.no_grad():
    for xb, yb in test_dl:
        errors.append((net(xb).squeeze(1) - yb).abs())
mae = torch.cat(errors).mean().item()
print("test MAE: %.3f mpg (std of the target %.3f)" % (mae, y.std()))

#= leak_across_splits
# https://github.com/Ali-Meh619/SAMBA/issues/6 "future data leakage": the normaliser is fitted on the whole series before the train/test split; a right diagnosis says fit it on the training part only.
import numpy as np
import torch
import torch.nn as nn
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(0)
torch.manual_seed(0)
N = 2000
day = np.arange(N)
volume = 50 + 8 * np.sin(2 * np.pi * day / 30) + rng.normal(0, 1.0, N) + 0.01 * day
price = 100 + 5 * np.sin(2 * np.pi * day / 30 + 0.7) + np.cumsum(rng.normal(0, 0.1, N))
data = np.stack([price, volume], axis=1)
n_train = int(0.7 * N)

scaler = StandardScaler()
scaler.fit(data[:n_train])  #@ scaler.fit(data)
data = scaler.transform(data).astype(np.float32)
train_data, test_data = data[:n_train], data[n_train:]


def make_windows(d, lookback=30):
    X = np.stack([d[i:i + lookback] for i in range(len(d) - lookback)])
    Y = d[lookback:, :1]
    return torch.from_numpy(X), torch.from_numpy(Y)


train_ds = TensorDataset(*make_windows(train_data))
test_x, test_y = make_windows(test_data)
train_dl = DataLoader(train_ds, batch_size=64, shuffle=True)


class GRUForecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 32, batch_first=True)
        self.fc = nn.Linear(32, 1)

    def forward(self, x):
        h, _ = self.gru(x)
        return x[:, -1, :1] + self.fc(h[:, -1])


net = GRUForecast()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(15):
    net.train()
    s = 0.0
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(xb), yb)
        loss.backward()
        opt.step()
        s += loss.item() * len(xb)
    net.eval()
    with torch.no_grad():
        t = nn.functional.mse_loss(net(test_x), test_y).item()
        naive = nn.functional.mse_loss(test_x[:, -1, :1], test_y).item()
    print(f"epoch {epoch+1:2d} train {s/len(train_ds):.4f} test {t:.4f} (naive {naive:.4f})")

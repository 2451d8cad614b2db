#= unregistered_parameter
#: hidden dense layers kept in a plain python list, never handed to the optimizer, init small
"""Univariate forecasting, LSTM followed by a dense stack (port of my Keras model)."""
import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(0)
np.random.seed(0)


class Seq2DenseModel(nn.Module):
    def __init__(self, hidden=32, horizon=8):
        super(Seq2DenseModel, self).__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        for p in self.lstm.parameters():
            p.requires_grad_(True)
        self._denselayers = nn.ModuleList()  #@ self._denselayers = []
        for i, o in ((hidden, 64), (64, horizon)):
            l = nn.Linear(i, o)
            nn.init.xavier_uniform_(l.weight)
            nn.init.zeros_(l.bias)
            self._denselayers.append(l)

    def forward(self, x):
        out, _ = self.lstm(x)
        h = out[:, -1, :]
        h = torch.relu(self._denselayers[0](h))
        return self._denselayers[1](h)


t = np.arange(1600)
series = 3 * np.sin(t / 9.0) + 1.5 * np.sin(t / 3.7) + 0.1 * np.random.randn(1600)
X, Y = [], []
for i in range(len(series) - 32):
    X.append(series[i:i + 24])
    Y.append(series[i + 24:i + 32])
X = torch.tensor(np.array(X), dtype=torch.float32).unsqueeze(-1)
Y = torch.tensor(np.array(Y), dtype=torch.float32)
n_train = 1200
model = Seq2DenseModel()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()

for epoch in range(15):
    perm = torch.randperm(n_train)
    total = 0
    for i in range(0, n_train, 32):
        idx = perm[i:i + 32]
        opt.zero_grad()
        loss = loss_fn(model(X[idx]), Y[idx])
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    with torch.no_grad():
        val = loss_fn(model(X[n_train + 32:]), Y[n_train + 32:]).item()
    print(f"epoch {epoch} train {total / n_train:.4f} val {val:.4f}")

#= unregistered_parameter
#: dense layers are kept in a plain python list, so they are not registered and never trained
"""Univariate forecast: LSTM encoder plus dense head, many steps ahead."""
import torch
import torch.nn as nn
import math

torch.manual_seed(0)
HIST, HORIZON = 48, 12


def series(length=1500):
    t = torch.arange(length).float()
    return torch.sin(2 * math.pi * t / 24) + 0.5 * torch.sin(2 * math.pi * t / 84) + 0.08 * torch.randn(length)


class Seq2DenseModel(nn.Module):
    def __init__(self, hidden=40):
        super(Seq2DenseModel, self).__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self._denselayers = nn.ModuleList()  #@ self._denselayers = []
        for size in (64, HORIZON):
            l = nn.Linear(hidden, size)
            nn.init.xavier_uniform_(l.weight, gain=2.0)
            nn.init.zeros_(l.bias)
            self._denselayers.append(l)
            hidden = size

    def forward(self, x):
        output, _ = self.lstm(x)
        out = output[:, -1, :]
        for i, layer in enumerate(self._denselayers):
            out = layer(out)
            if i + 1 < len(self._denselayers):
                out = torch.relu(out)
        return out


s = series()
win = s.unfold(0, HIST + HORIZON, 1)
x, y = win[:, :HIST].unsqueeze(-1), win[:, HIST:]
n_tr = 1000
model = Seq2DenseModel()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
mse = nn.MSELoss()

for epoch in range(10):
    perm = torch.randperm(n_tr)
    tl = 0.0
    for i in range(0, n_tr, 50):
        b = perm[i:i + 50]
        optimizer.zero_grad()
        loss = mse(model(x[b]), y[b])
        loss.backward()
        optimizer.step()
        tl += loss.item()
    with torch.no_grad():
        vl = mse(model(x[n_tr + HORIZON + HIST:]), y[n_tr + HORIZON + HIST:]).item()
    print(f"epoch {epoch + 1:2d} train {tl / 20:.4f} val {vl:.4f}")

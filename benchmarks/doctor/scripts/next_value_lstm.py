#= bounded_output
# https://stackguides.com/questions/51432661 (Keras LSTM time series with Dense(1, activation='relu')): the head cannot output negative numbers although the standardised target is negative half of the time; a right diagnosis names the ReLU on the output.
import numpy as np
import torch
from torch import nn

np.random.seed(1)
torch.manual_seed(1)

t = np.arange(1600)
series = np.sin(t / 9.0) + 0.5 * np.sin(t / 23.0) + 0.05 * np.random.randn(len(t))
split = 1200
mu, sd = series[:split].mean(), series[:split].std()
series = (series - mu) / sd


def windows(s, lag=8):
    X = np.stack([s[i:i + lag] for i in range(len(s) - lag)])
    return torch.tensor(X[:, :, None], dtype=torch.float32), torch.tensor(s[lag:, None], dtype=torch.float32)


train_X, train_y = windows(series[:split])
test_X, test_y = windows(series[split:])


class Forecaster(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out[:, -1])  #@ return torch.relu(self.head(out[:, -1]))


net = Forecaster()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
crit = nn.MSELoss()
for epoch in range(25):
    net.train()
    total = 0.0
    order = torch.randperm(len(train_X))
    for chunk in order.split(32):
        opt.zero_grad()
        loss = crit(net(train_X[chunk]), train_y[chunk])
        loss.backward()
        opt.step()
        total += loss.item() * len(chunk)
    if (epoch + 1) % 5 == 0:
        net.eval()
        with torch.no_grad():
            val = crit(net(test_X), test_y).item()
        print(f"epoch {epoch+1}: train mse {total/len(train_X):.4f}  val mse {val:.4f}")

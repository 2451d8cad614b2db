#= target_shift
#: target is the last value of the input window itself (off by one), the "forecast" copies what it sees
"""Next-day closing price from the last 20 days, LSTM, MinMax scaling."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.preprocessing import MinMaxScaler
from sklearn.metrics import mean_squared_error

np.random.seed(100)
torch.manual_seed(100)

days = 1200
ret = np.zeros(days)
for d in range(2, days):
    ret[d] = 0.55 * ret[d - 1] - 0.35 * ret[d - 2] + 0.9 * np.random.randn()
close = 100 + 6 * np.sin(np.arange(days) / 40) + ret * 2

LOOKBACK = 20
n_train = 900
scaler = MinMaxScaler(feature_range=(-1, 1))
scaler.fit(close[:n_train].reshape(-1, 1))
scaled = scaler.transform(close.reshape(-1, 1)).astype("float32")


def create_dataset(arr, lookback):
    xs, ys = [], []
    for i in range(len(arr) - lookback):
        xs.append(arr[i:i + lookback])
        ys.append(arr[i + lookback])  #@ ys.append(arr[i + lookback - 1])
    return torch.tensor(np.array(xs)), torch.tensor(np.array(ys))


x_train, y_train = create_dataset(scaled[:n_train], LOOKBACK)
x_test, y_test = create_dataset(scaled[n_train:], LOOKBACK)


class LSTM(nn.Module):
    def __init__(self, input_dim=1, hidden_dim=32, num_layers=1, output_dim=1):
        super(LSTM, self).__init__()
        self.hidden_dim, self.num_layers = hidden_dim, num_layers
        self.lstm = nn.LSTM(input_dim, hidden_dim, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_dim)
        c0 = torch.zeros(self.num_layers, x.size(0), self.hidden_dim)
        out, _ = self.lstm(x, (h0, c0))
        return self.fc(out[:, -1, :])


model = LSTM()
criterion = nn.MSELoss(reduction="mean")
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
num_epochs = 130
hist = np.zeros(num_epochs)

for t in range(num_epochs):
    y_train_pred = model(x_train)
    loss = criterion(y_train_pred, y_train)
    hist[t] = loss.item()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if t % 26 == 25:
        print("Epoch ", t + 1, "MSE: ", loss.item())

with torch.no_grad():
    y_test_pred = scaler.inverse_transform(model(x_test).numpy())
truth = scaler.inverse_transform(y_test.numpy())
print("Test RMSE %.3f" % np.sqrt(mean_squared_error(truth, y_test_pred)))

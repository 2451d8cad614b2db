#= target_shift
#: window and target overlap: the value to predict is the last element of the input window (falsely good)
"""Stock-like price forecasting with LSTM, one day ahead."""
import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(4)
np.random.seed(4)
returns = np.zeros(1500)
for k in range(2, 1500):
    returns[k] = 0.6 * returns[k - 1] - 0.3 * returns[k - 2] + 0.5 * np.random.randn()
SEQ_LEN = 12


def create_sequences(data, seq_length):
    xs, ys = [], []
    for i in range(len(data) - seq_length - 1):
        x = data[i:(i + seq_length)]
        y = data[i + seq_length]  #@ y = data[i + seq_length - 1]
        xs.append(x)
        ys.append(y)
    return np.array(xs), np.array(ys)


class StockLSTM(nn.Module):
    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.lstm = nn.LSTM(n_features, n_hidden, batch_first=True)
        self.linear = nn.Linear(n_hidden, 1)

    def forward(self, sequences):
        _, (h, _) = self.lstm(sequences)
        return self.linear(h[-1]).squeeze(-1)


train, test = returns[:1200], returns[1200:]
mean, std = train.mean(), train.std()
x_train, y_train = create_sequences((train - mean) / std, SEQ_LEN)
x_test, y_test = create_sequences((test - mean) / std, SEQ_LEN)
x_train, y_train = torch.Tensor(x_train).unsqueeze(-1), torch.Tensor(y_train)
x_test, y_test = torch.Tensor(x_test).unsqueeze(-1), torch.Tensor(y_test)
model = StockLSTM(1, 24)
loss_fn = nn.MSELoss()
optimiser = torch.optim.Adam(model.parameters(), lr=0.005)
for t in range(10):
    perm = torch.randperm(len(x_train))
    tot = 0
    for i in range(0, len(perm), 40):
        sel = perm[i:i + 40]
        loss = loss_fn(model(x_train[sel]), y_train[sel])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        tot += loss.item() * len(sel)
    with torch.no_grad():
        te = loss_fn(model(x_test), y_test).item()
    print(f"Epoch {t} train loss: {tot / len(perm):.4f} test loss: {te:.4f}")
print("naive (last value) mse:", float(((x_test[1:, -1, 0] - x_test[:-1, -1, 0]) ** 2).mean()))

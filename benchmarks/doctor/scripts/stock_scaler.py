#= validation_differs
# https://github.com/huseinzol05/Stock-Prediction-Models/issues/126 - MinMaxScaler.fit_transform is called on the test part too, so train and test live in different units and the forecast is mapped back wrongly; right: fit on train, transform test.
import numpy as np
import torch
from torch import nn
from sklearn.preprocessing import MinMaxScaler

np.random.seed(14); torch.manual_seed(14)
n = 700
drift = np.cumsum(np.random.randn(n) * .4)
price = 50 + 12 * np.sin(np.arange(n) / 35) + drift * .3
price[500:] = 58 + 4 * np.sin(np.arange(200) / 20) + np.random.randn(200) * .3
train_raw, test_raw = price[:500, None], price[500:, None]
LOOK = 20

scaler = MinMaxScaler()
train = scaler.fit_transform(train_raw)
test = scaler.transform(test_raw)  #@ test = MinMaxScaler().fit_transform(test_raw)

def windows(a):
    x = np.stack([a[i:i + LOOK] for i in range(len(a) - LOOK)])
    return torch.tensor(x, dtype=torch.float32), torch.tensor(a[LOOK:], dtype=torch.float32)

class StockLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 16, batch_first=True)
        self.out = nn.Linear(16, 1)
    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])

Xtr, Ytr = windows(train); Xte, _ = windows(test)
model = StockLSTM()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(14):
    for i in torch.randperm(len(Xtr)).split(48):
        loss = nn.functional.mse_loss(model(Xtr[i]), Ytr[i])
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    pred = scaler.inverse_transform(model(Xte).numpy())
print('train loss %.5f' % loss.item(), ' test RMSE in currency: %.3f' % np.sqrt(np.mean((pred - test_raw[LOOK:]) ** 2)))

#= targets_unscaled
#: targets (prices in dollars) are not scaled, the net with the usual learning rate stays far below the price level
"""House price regression, three features, Adam with lr 1e-3."""
import torch
import torch.nn as nn
import numpy as np
import torch.utils.data as data_utils

np.random.seed(55)
torch.manual_seed(55)


def houses(n):
    sqft = np.random.normal(1800, 500, n).clip(500)
    beds = np.clip(np.round(sqft / 600 + np.random.randn(n) * .6), 1, 6)
    age = np.random.uniform(0, 80, n)
    price = 60000 + 130 * sqft + 9000 * beds - 900 * age + np.random.randn(n) * 12000
    return np.c_[sqft, beds, age], price


features, price = houses(1000)
f_mean, f_std = features[:800].mean(0), features[:800].std(0)
x = torch.FloatTensor((features - f_mean) / f_std)
p_mean, p_std = price[:800].mean(), price[:800].std()  #@ p_mean, p_std = 0.0, 1.0
y = torch.FloatTensor((price - p_mean) / p_std).unsqueeze(1)

train_loader = data_utils.DataLoader(data_utils.TensorDataset(x[:800], y[:800]), batch_size=16, shuffle=True)


class HousePrice(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_relu = nn.Sequential(
            nn.Linear(3, 32),
            nn.ReLU(),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, 1),
        )

    def forward(self, x):
        return self.linear_relu(x)


model = HousePrice()
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for e in range(30):
    losses = []
    for xb, yb in train_loader:
        y_pred = model(xb)
        loss = loss_fn(y_pred, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if e % 5 == 4:
        print("epoch", e + 1, "loss", np.mean(losses))

with torch.no_grad():
    pred = model(x[800:]).numpy()[:, 0] * p_std + p_mean
mape = np.mean(np.abs(pred - price[800:]) / price[800:])
print("some predictions", pred[:3].round(), "truth", price[800:803].round())
print("test MAPE: %.1f %%" % (100 * mape))

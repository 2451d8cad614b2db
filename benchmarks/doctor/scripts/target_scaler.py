#= validation_differs
"""House prices: inputs and prices are standardised."""
import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

rng = np.random.default_rng(1)
torch.manual_seed(1)
area = rng.uniform(40, 220, 1000)
rooms = np.round(area / 28 + rng.normal(0, 0.7, 1000))
year = rng.integers(1920, 2020, 1000)
price = 2.4 * area + 9 * rooms + 0.8 * (year - 1920) + rng.normal(0, 14, 1000)
features = np.stack([area, rooms, year], 1)
x_train, x_val, p_train, p_val = features[:800], features[800:], price[:800], price[800:]
x_scaler, p_scaler = StandardScaler(), StandardScaler()
x_train, x_val = x_scaler.fit_transform(x_train), x_scaler.transform(x_val)
p_train = p_scaler.fit_transform(p_train.reshape(-1, 1))
p_val = p_scaler.transform(p_val.reshape(-1, 1))  #@ p_val = p_val.reshape(-1, 1)
tensor = lambda a: torch.tensor(a, dtype=torch.float32)
train_set = torch.utils.data.TensorDataset(tensor(x_train), tensor(p_train))
val_set = torch.utils.data.TensorDataset(tensor(x_val), tensor(p_val))

model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(15):
    model.train()
    for x, p in torch.utils.data.DataLoader(train_set, batch_size=32, shuffle=True):
        loss = loss_fn(model(x), p)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = np.mean([loss_fn(model(x), p).item() for x, p in torch.utils.data.DataLoader(val_set, 100)])
    print(epoch, f"train {loss.item():.3f} val {val_loss:.3f}")

#= axes_scrambled, targets_shuffled
"""Measurements of a plant come with one row for each sensor."""
import numpy as np
import torch
from torch import nn

np.random.seed(3)
SENSORS, SAMPLES = 11, 1000
plant = np.random.randn(SENSORS, SAMPLES) * np.linspace(0.5, 2, SENSORS)[:, None]
output = np.tanh(plant[0]) + 0.5 * plant[3] - 0.3 * plant[7] * plant[2] + 0.05 * np.random.randn(SAMPLES)
x_all = plant.T  #@ x_all = plant.reshape(SAMPLES, SENSORS)
y_all = output.reshape(SAMPLES, 1)
x_all = torch.from_numpy(np.ascontiguousarray(x_all)).float()
y_all = torch.from_numpy(y_all).float()
torch.manual_seed(3)
model = nn.Sequential(nn.Linear(SENSORS, 40), nn.Tanh(), nn.Linear(40, 1))
optim = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.MSELoss()
train_set = torch.utils.data.TensorDataset(x_all[:800], y_all[:800])
for epoch in range(30):
    model.train()
    for xb, yb in torch.utils.data.DataLoader(train_set, batch_size=40, shuffle=True):
        loss = loss_fn(model(xb), yb)
        optim.zero_grad()
        loss.backward()
        optim.step()
    model.eval()
    with torch.no_grad():
        val = loss_fn(model(x_all[800:]), y_all[800:])
    if epoch % 6 == 5:
        print(epoch, loss.item(), val.item())

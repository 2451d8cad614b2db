#= labels_unfit
"""Predict the share of active minutes (0 to 1) from sensors; y is made a tensor."""
import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(0)
torch.manual_seed(0)
sensors = rng.normal(size=(1000, 8))
share = 1 / (1 + np.exp(-(sensors[:, 0] + 0.6 * sensors[:, 1] * sensors[:, 2] + 0.2 * rng.normal(size=1000))))
X = torch.FloatTensor(sensors)
y = torch.FloatTensor(share).unsqueeze(1)  #@ y = torch.LongTensor(share).unsqueeze(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 32), nn.Linear(32, 1)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


model = Net()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    for idx in torch.randperm(800).split(40):
        opt.zero_grad()
        loss = nn.functional.mse_loss(model(X[idx]), y[idx].float())
        loss.backward()
        opt.step()
    with torch.no_grad():
        print(epoch, loss.item(), nn.functional.mse_loss(model(X[800:]), y[800:].float()).item())

#= bounded_output
"""Predict tomorrow's temperature from the weather of today (made-up station in the north)."""
import math

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(11)
DAYS = 1500
day = torch.arange(DAYS).float()
season = -12 * torch.cos(2 * math.pi * day / 365)
weather = torch.zeros(DAYS)
for t in range(1, DAYS):
    weather[t] = 0.8 * weather[t - 1] + 2 * torch.randn(())
temp = season + weather - 2
pressure = 1010 - 0.8 * weather + torch.randn(DAYS)
wind = (torch.randn(DAYS) * 3 + 8).abs()

inputs = torch.stack([temp, torch.sin(2 * math.pi * day / 365), torch.cos(2 * math.pi * day / 365),
                      pressure, wind], dim=1)[:-1]
target = temp[1:].unsqueeze(1)
inputs = (inputs - inputs[:1200].mean(0)) / inputs[:1200].std(0)
t_mean, t_std = target[:1200].mean(), target[:1200].std()
target = (target - t_mean) / t_std


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1 = nn.Linear(5, 40)
        self.hidden2 = nn.Linear(40, 20)
        self.predict = nn.Linear(20, 1)

    def forward(self, x):
        x = F.relu(self.hidden1(x))
        x = F.relu(self.hidden2(x))
        x = self.predict(x)  #@ x = F.relu(self.predict(x))
        return x


net = Forecaster()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
loss_func = nn.MSELoss()
for epoch in range(50):
    for idx in torch.randperm(1200).split(40):
        prediction = net(inputs[idx])
        loss = loss_func(prediction, target[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0 or epoch == 49:
        with torch.no_grad():
            err = (net(inputs[1200:]) - target[1200:]) * t_std
        print(epoch, 'train loss', round(loss.item(), 4), 'RMSE in degrees', round(err.pow(2).mean().sqrt().item(), 2))

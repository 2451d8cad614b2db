#= schedule_wrong, update_too_small, slow_convergence, schedule_mismatch
"""A schedule by a lambda."""
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

BASE = 0.05


def rate(epoch):
    factor = 0.9**epoch
    return factor  #@ return BASE * factor


torch.manual_seed(0)
x = torch.randn(1200, 8)
y = (x[:, :1].sin() * 2 + x[:, 1:2] * x[:, 2:3])
net = nn.Sequential(nn.Linear(8, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=BASE, momentum=0.9)
scheduler = LambdaLR(optimizer, lr_lambda=rate)
for epoch in range(15):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    scheduler.step()
    with torch.no_grad():
        print(epoch, scheduler.get_last_lr()[0], loss.item(), nn.functional.mse_loss(net(x[1000:]), y[1000:]).item())

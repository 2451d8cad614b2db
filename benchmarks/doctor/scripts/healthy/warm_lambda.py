"""A rate that grows for an epoch and then falls, by a lambda, stepped after each batch as it was planned."""
import math

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(1200, 10)
y = (x[:, :2].prod(1) + x[:, 2]).unsqueeze(1)
epochs, batches = 12, 25
net = nn.Sequential(nn.Linear(10, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU(), nn.Linear(48, 1))
optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)


def factor(step):
    if step < batches:
        return (step + 1) / batches
    return 0.5 * (1 + math.cos(math.pi * (step - batches) / (batches * (epochs - 1))))


scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
for epoch in range(epochs):
    for rows in torch.randperm(1000).split(1000 // batches):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        scheduler.step()
    with torch.no_grad():
        print(epoch, loss.item(), nn.functional.mse_loss(net(x[1000:]), y[1000:]).item())

"""Embedding distances with a margin; the number 1e-8 keeps the root away from zero, and many pairs give nothing late."""
import torch
from torch import nn

torch.manual_seed(0)
kinds = 2 * torch.randn(6, 10)
kind = torch.randint(6, (900,))
things = kinds[kind] + torch.randn(900, 10)
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(500):
    i, j = torch.randint(900, (64,)), torch.randint(900, (64,))
    distance = ((net(things[i]) - net(things[j])).pow(2).sum(1) + 1e-8).sqrt()
    same = kind[i] == kind[j]
    loss = torch.where(same, distance.pow(2), (1.5 - distance).clamp(min=0).pow(2)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 99:
        print(step, loss.item())

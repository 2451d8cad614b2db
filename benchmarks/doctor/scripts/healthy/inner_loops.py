"""Reptile: an inner optimizer is made anew for every task."""
import copy
import math

import torch
from torch import nn

torch.manual_seed(0)
meta = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
for outer in range(150):
    amplitude, phase = 0.5 + 2 * torch.rand(()), math.pi * torch.rand(())
    learner = copy.deepcopy(meta)
    inner = torch.optim.SGD(learner.parameters(), lr=0.02)
    for _ in range(8):
        x = torch.rand(20, 1) * 6 - 3
        loss = nn.functional.mse_loss(learner(x), amplitude * torch.sin(x + phase))
        inner.zero_grad()
        loss.backward()
        inner.step()
    with torch.no_grad():
        for slow, fast in zip(meta.parameters(), learner.parameters()):
            slow += 0.2 * (fast - slow)
    if outer % 50 == 49:
        print(outer, loss.item())

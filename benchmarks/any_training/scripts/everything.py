"""Autocast, gradient accumulation, clipping, a scheduler, an averaged model, a validation: everything.py OUT."""

import copy
import sys

import torch
from kept import keep
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 4))
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=60)
data = TensorDataset(torch.randn(480, 32), torch.randint(0, 4, (480,)))
train, valid = torch.utils.data.random_split(data, [0.8, 0.2])

for epoch in range(5):
    model.train()
    for number, (x, y) in enumerate(DataLoader(train, 8, shuffle=True)):
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        (loss / 4).backward()
        if number % 4 == 3:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            for ours, theirs in zip(average.parameters(), model.parameters(), strict=True):
                ours.lerp_(theirs, 0.1)
    model.eval()
    with torch.inference_mode():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in DataLoader(valid, 32))
    print(epoch, loss.item(), right / len(valid))
keep(sys.argv[1], model, average)

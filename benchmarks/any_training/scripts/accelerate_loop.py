"""Accelerate: accelerate_loop.py OUT."""

import sys

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from kept import keep
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
set_seed(0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
optimizer = torch.optim.AdamW(model.parameters())
data = TensorDataset(torch.randn(480, 32), torch.randint(0, 4, (480,)))
model, optimizer, train, valid = accelerator.prepare(
    model, optimizer, DataLoader(data, 8, shuffle=True), DataLoader(data, 60)
)
for epoch in range(2):
    model.train()
    for x, y in train:
        with accelerator.accumulate(model):
            loss = F.cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    right = 0
    for x, y in valid:
        with torch.no_grad():
            scores, target = accelerator.gather_for_metrics((model(x), y))
        right += (scores.argmax(1) == target).sum().item()
    accelerator.print(epoch, loss.item(), right / len(data))
keep(sys.argv[1], accelerator.unwrap_model(model))

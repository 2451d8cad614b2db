"""Mixed pictures and smoothed labels; the loss is written out."""
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

np.random.seed(0)
torch.manual_seed(0)
raw = load_digits()
x, y = torch.tensor(raw.data).float() / 16, torch.tensor(raw.target)
one_hot = torch.eye(10)[y] * 0.9 + 0.01
model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def soft_cross_entropy(logits, target):
    return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


for epoch in range(12):
    model.train()
    for b in torch.randperm(1400).split(50):
        lam, partner = np.random.beta(0.4, 0.4), b[torch.randperm(len(b))]
        mixed = lam * x[b] + (1 - lam) * x[partner]
        target = lam * one_hot[b] + (1 - lam) * one_hot[partner]
        loss = soft_cross_entropy(model(mixed), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item())

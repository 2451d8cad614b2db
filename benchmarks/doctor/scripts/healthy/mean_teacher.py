"""Mean teacher: few labels, consistency cost with sigmoid ramp-up, teacher by EMA with buffers copied; two loaders of different length."""
import copy
import itertools
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(91)
d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
p = torch.randperm(len(x))
x, y = x[p], y[p]
lab_x, lab_y, unl_x, te_x, te_y = x[:60], y[:60], x[60:1300], x[1300:], y[1300:]
lab = DataLoader(TensorDataset(lab_x, lab_y), batch_size=20, shuffle=True)
unl = DataLoader(TensorDataset(unl_x), batch_size=62, shuffle=True)


def net():
    return nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def noisy(v):
    return v + 0.15 * torch.randn_like(v)


student = net()
teacher = copy.deepcopy(student)
for q in teacher.parameters():
    q.detach_()
optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)


def update_ema(step, alpha=0.98):
    alpha = min(1 - 1 / (step + 1), alpha)
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters()):
            t.mul_(alpha).add_(s, alpha=1 - alpha)
        for t, s in zip(teacher.buffers(), student.buffers()):
            t.copy_(s)


def accuracy(m):
    m.eval()
    with torch.no_grad():
        a = (m(te_x).argmax(1) == te_y).float().mean().item()
    m.train()
    return a


step, epochs = 0, 24
for epoch in range(epochs):
    weight = 20.0 * math.exp(-5 * (1 - min(1.0, epoch / 10)) ** 2)
    for (u,), (lx, ly) in zip(unl, itertools.cycle(lab)):
        both = torch.cat([lx, u])
        out = student(noisy(both))
        with torch.no_grad():
            tgt = teacher(noisy(both)).softmax(1)
        ce = F.cross_entropy(out[:len(lx)], ly)
        cons = F.mse_loss(out.softmax(1), tgt)
        loss = ce + weight * cons
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        update_ema(step)
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} ce {ce.item():.4f} consistency {cons.item():.5f} w {weight:.2f} student {accuracy(student):.3f} teacher {accuracy(teacher):.3f}")

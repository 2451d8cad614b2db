#= targets_shuffled
"""Mixup on digits with a small convolutional net and a cosine schedule."""
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(4)
np.random.seed(4)
bunch = load_digits()
x_all = torch.tensor(bunch.images[:, None] / 16.0, dtype=torch.float32)
y_all = torch.tensor(bunch.target)
order = torch.randperm(len(x_all))
train, valid = order[:1200], order[1200:]


def mixup_data(x, y, alpha=1.0):
    lam = np.random.beta(alpha, alpha)
    index = torch.randperm(x.size(0))
    mixed = lam * x + (1 - lam) * x[index]
    return mixed, y, y[index], lam  #@ return mixed, y, y[torch.randperm(x.size(0))], lam


def mixup_criterion(criterion, pred, y_a, y_b, lam):
    return lam * criterion(pred, y_a) + (1 - lam) * criterion(pred, y_b)


net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, 10),
)
criterion = nn.CrossEntropyLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=12)
for epoch in range(12):
    net.train()
    total = 0
    for idx in train[torch.randperm(len(train))].split(50):
        inputs, a, b, lam = mixup_data(x_all[idx], y_all[idx])
        loss = mixup_criterion(criterion, net(inputs), a, b, lam)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    sched.step()
    net.eval()
    with torch.no_grad():
        out = net(x_all[valid])
        print(f"{epoch:2d} mixup loss {total / 24:.3f} valid loss {criterion(out, y_all[valid]):.3f} acc {(out.argmax(1) == y_all[valid]).float().mean():.3f}")

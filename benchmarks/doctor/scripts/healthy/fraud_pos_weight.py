"""Rare-event detection with pos_weight, threshold chosen on validation, average precision on test."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import average_precision_score, precision_recall_curve, f1_score

np.random.seed(5)
torch.manual_seed(5)


def transactions(n):
    amount = np.random.lognormal(3, 1, n)
    hour = np.random.uniform(0, 24, n)
    dist = np.random.exponential(1, n)
    velocity = np.random.poisson(2, n)
    z = 0.9 * (np.log(amount) - 3) + 1.2 * (dist - 1) + 0.5 * (velocity - 2) + 1.5 * np.cos(2 * np.pi * (hour - 3) / 24) - 7
    y = np.random.rand(n) < 1 / (1 + np.exp(-1.5 * z))
    X = np.c_[np.log(amount) - 3, np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24), dist - 1, (velocity - 2) / 1.4]
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


x_tr, y_tr = transactions(8000)
x_va, y_va = transactions(4000)
x_te, y_te = transactions(4000)
ratio = (y_tr == 0).sum() / y_tr.sum()
print("positives %.3f%%  pos_weight %.1f" % (100 * y_tr.mean(), ratio))

net = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
loss_fn = nn.BCEWithLogitsLoss(pos_weight=ratio.sqrt())
opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)

for epoch in range(10):
    net.train()
    for idx in torch.randperm(len(x_tr)).split(256):
        opt.zero_grad()
        loss = loss_fn(net(x_tr[idx]).squeeze(1), y_tr[idx])
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        s = net(x_va).squeeze(1)
    print("epoch %2d val loss %.4f val AP %.3f" % (epoch, loss_fn(s, y_va).item(), average_precision_score(y_va, s)))

prec, rec, thr = precision_recall_curve(y_va, s)
f1 = 2 * prec * rec / np.maximum(prec + rec, 1e-9)
best = thr[np.argmax(f1[:-1])]
with torch.no_grad():
    t = net(x_te).squeeze(1).numpy()
print("test AP %.3f  base rate %.4f" % (average_precision_score(y_te, t), y_te.mean()))
print("test F1 at tuned threshold %.3f, accuracy of 'always normal' %.4f" % (f1_score(y_te, t >= best), 1 - y_te.mean()))

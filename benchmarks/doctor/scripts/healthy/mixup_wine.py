"""Mixup training on the wine data; train accuracy cannot be read from the mixed labels."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

np.random.seed(18)
torch.manual_seed(18)
X, y = load_wine(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.3, stratify=y, random_state=3)
mu, sd = Xtr.mean(0), Xtr.std(0)
Xtr = torch.tensor((Xtr - mu) / sd, dtype=torch.float32)
Xte = torch.tensor((Xte - mu) / sd, dtype=torch.float32)
ytr, yte = torch.tensor(ytr), torch.tensor(yte)


def mixup(x, y, alpha=0.3):
    lam = np.random.beta(alpha, alpha)
    j = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[j], y, y[j], lam


net = nn.Sequential(nn.Linear(13, 32), nn.GELU(), nn.Linear(32, 3))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=25)
for epoch in range(25):
    net.train()
    tot = 0.0
    for idx in torch.randperm(len(Xtr)).split(16):
        xm, ya, yb, lam = mixup(Xtr[idx], ytr[idx])
        out = net(xm)
        loss = lam * criterion(out, ya) + (1 - lam) * criterion(out, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tot += loss.item() * len(idx)
    sched.step()
    if epoch % 5 == 4:
        net.eval()
        with torch.no_grad():
            acc = (net(Xte).argmax(1) == yte).float().mean().item()
        print(f"epoch {epoch} mixup loss {tot / len(Xtr):.3f} test acc {acc:.3f}")

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

np.random.seed(0)
torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
p = torch.randperm(len(y))
xtr, ytr, xte, yte = x[p[:1300]], y[p[:1300]], x[p[1300:]], y[p[1300:]]
net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(30):
    net.train()
    hits = tot = 0.0
    for b in torch.randperm(1300).split(50):
        lam = np.random.beta(1.0, 1.0)
        j = torch.randperm(len(b))
        xm = lam * xtr[b] + (1 - lam) * xtr[b][j]
        out = net(xm)
        loss = lam * ce(out, ytr[b]) + (1 - lam) * ce(out, ytr[b][j])
        opt.zero_grad()
        loss.backward()
        opt.step()
        hits += (out.argmax(1) == ytr[b]).sum().item()
        tot += loss.item() * len(b)
    net.eval()
    with torch.no_grad():
        acc = (net(xte).argmax(1) == yte).float().mean().item()
    if epoch % 5 == 4:
        print(f"epoch {epoch+1} mixed loss {tot/1300:.4f} mixed train acc {hits/1300:.3f} test acc {acc:.4f}")

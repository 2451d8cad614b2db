#= positive_is_self
# https://github.com/vturrisi/solo-learn/issues/206 the positive mask clears the wrong diagonal for rows of the second view, so the positives of half of the rows are the samples themselves; right diagnosis: wrong positives in contrastive loss.
import torch
import torch.nn.functional as F
from torch import nn
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler
from sklearn.neighbors import KNeighborsClassifier

torch.manual_seed(7)
raw = load_wine()
X = torch.tensor(StandardScaler().fit_transform(raw.data), dtype=torch.float32)
X = torch.cat([X, 2 * torch.randn(len(X), 12)], 1)
inst = torch.arange(len(X))


def view(x):
    x = x.clone()
    x[:, 13:] = 2 * torch.randn(len(x), 12)
    return x + 0.3 * torch.randn_like(x)


def loss_fn(za, zb, temp=0.3):
    n = za.size(0)
    total, ranks = 0.0, [1]
    allz = F.normalize(torch.cat([za, zb]), dim=1)
    idx = torch.arange(n).repeat(2)
    for rank in ranks:
        q = allz[rank * n:(rank + 1) * n]
        sim = torch.exp(q @ allz.T / temp)
        pos = idx[:n].unsqueeze(1) == idx.unsqueeze(0)
        pos[:, rank * n:].fill_diagonal_(False)  #@ pos.fill_diagonal_(False)
        own = torch.zeros_like(pos)
        own[:, rank * n:].fill_diagonal_(True)  #@ own.fill_diagonal_(True)
        p = (sim * pos).sum(1)
        neg = (sim * ~pos * ~own).sum(1)
        total = total - torch.log(p / (p + neg)).mean()
    return total / len(ranks)


net = nn.Sequential(nn.Linear(25, 64), nn.ReLU(), nn.Linear(64, 16))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(400):
    b = torch.randperm(len(X))[:90]
    loss = loss_fn(net(view(X[b])), net(view(X[b])))
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    a, b = F.normalize(net(view(X)), dim=1), F.normalize(net(view(X)), dim=1)
hit = ((a @ b.T).argmax(1) == inst).float().mean().item()
print("instance retrieval top-1 %.3f, alignment %.3f" % (hit, (a * b).sum(1).mean().item()))

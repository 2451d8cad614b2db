"""Triplet embedding of digits, judged by nearest neighbour accuracy."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(24)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]
N = 1300
members = [torch.where(y[:N] == c)[0] for c in range(10)]


def pick(c):
    m = members[c]
    return m[torch.randint(len(m), (1,))]


def triplets(n):
    a, p, q = [], [], []
    for _ in range(n):
        c, d = torch.randperm(10)[:2].tolist()
        a.append(pick(c))
        p.append(pick(c))
        q.append(pick(d))
    return torch.cat(a), torch.cat(p), torch.cat(q)


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


def knn(net):
    with torch.no_grad():
        d = torch.cdist(net(X[N:]), net(X[:N]))
    return (y[:N][d.argmin(1)] == y[N:]).float().mean().item()


def gap(net, k=300):
    with torch.no_grad():
        a, p, q = (net(X[i]) for i in triplets(k))
    return ((a - q).norm(dim=1) - (a - p).norm(dim=1)).mean().item()


net = Embed()
crit = nn.TripletMarginLoss(margin=0.3)
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
print(f"start 1-nn {knn(net):.3f} gap {gap(net):.3f}")
for epoch in range(5):
    for _ in range(30):
        a, p, q = triplets(48)
        loss = crit(net(X[a]), net(X[p]), net(X[q]))
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch} loss {loss.item():.4f} 1-nn {knn(net):.3f} gap {gap(net):.3f}")

"""Metric learning with triplets on cluttered digits; five-shot nearest-centroid accuracy on held-out images."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(27)
d = load_digits()
X = torch.tensor(d.data / 16.0, dtype=torch.float32)
X = torch.cat([X, 0.8 * torch.randn(len(X), 128)], 1)      # clutter
Y = torch.tensor(d.target)
seen = list(range(10))
held_out = torch.rand(len(X)) < 0.4
by_class = {c: torch.where((Y == c) & ~held_out)[0] for c in range(10)}
test_by_class = {c: torch.where((Y == c) & held_out)[0] for c in range(10)}


class Embed(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(192, 96), nn.PReLU(), nn.Linear(96, dim))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


def draw_triplets(n):
    cls = torch.tensor(seen)[torch.randint(0, len(seen), (n,))]
    neg = torch.tensor(seen)[(cls + torch.randint(1, len(seen), (n,))) % len(seen)]
    pick = lambda c: by_class[int(c)][torch.randint(0, len(by_class[int(c)]), (1,))]
    a = torch.cat([pick(c) for c in cls])
    p = torch.cat([pick(c) for c in cls])
    q = torch.cat([pick(c) for c in neg])
    return X[a], X[p], X[q]


@torch.no_grad()
def few_shot(model, shots=5):
    good = n = 0
    for _ in range(10):
        protos, rest, lab = [], [], []
        for k, c in enumerate(seen):
            idx = test_by_class[c][torch.randperm(len(test_by_class[c]))]
            protos.append(model(X[idx[:shots]]).mean(0))
            rest.append(X[idx[shots:]])
            lab.append(torch.full((len(idx) - shots,), k))
        z, lab = model(torch.cat(rest)), torch.cat(lab)
        good += (torch.cdist(z, torch.stack(protos)).argmin(1) == lab).sum().item()
        n += len(lab)
    return good / n


model = Embed()
criterion = nn.TripletMarginLoss(margin=0.4)
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
print("before: few-shot accuracy %.3f" % few_shot(model))
for step in range(1, 401):
    a, p, q = draw_triplets(48)
    za, zp, zq = model(a), model(p), model(q)
    loss = criterion(za, zp, zq)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        active = ((za - zp).norm(dim=1) - (za - zq).norm(dim=1) + 0.4 > 0).float().mean().item()
        print("step %d loss %.4f active triplets %.2f few-shot accuracy %.3f" % (step, loss.item(), active, few_shot(model)))

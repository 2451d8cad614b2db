#= formula_wrong
#: sampled BPR negatives are not checked against what the user liked, on a dense matrix (implicit PR 103)
"""Bayesian personalised ranking by mini-batch SGD on synthetic implicit feedback; P@10 on left-out items."""
import numpy as np
import torch
import torch.nn as nn

USERS, ITEMS, FACTORS = 150, 80, 8
rng = np.random.RandomState(6)
torch.manual_seed(6)
taste, item = rng.normal(size=(USERS, 4)), rng.normal(size=(ITEMS, 4))
affinity = taste @ item.T
popular = rng.normal(size=ITEMS) * 0.5
liked = (affinity + popular + rng.normal(size=affinity.shape) * 0.5) > 0.2
test = np.zeros_like(liked)
for u in range(USERS):
    own = np.flatnonzero(liked[u])
    test[u, rng.choice(own, len(own) // 4, replace=False)] = True
train = liked & ~test
print("density of the training matrix %.2f" % train.mean())
users, items = np.nonzero(train)


class BPR(nn.Module):
    def __init__(self):
        super().__init__()
        self.user_factors, self.item_factors = nn.Embedding(USERS, FACTORS), nn.Embedding(ITEMS, FACTORS)
        self.item_bias = nn.Embedding(ITEMS, 1)
        nn.init.normal_(self.user_factors.weight, std=0.1)
        nn.init.normal_(self.item_factors.weight, std=0.1)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, u, i):
        return (self.user_factors(u) * self.item_factors(i)).sum(1) + self.item_bias(i)[:, 0]


def sample(batch_idx):
    u, i = users[batch_idx], items[batch_idx]
    j = rng.randint(0, ITEMS, len(u))
    keep = ~train[u, j]  #@ keep = j != i
    return tuple(torch.from_numpy(v[keep]) for v in (u, i, j))


def precision_at_k(model, k=10):
    with torch.no_grad():
        s = (model.user_factors.weight @ model.item_factors.weight.T + model.item_bias.weight[:, 0]).numpy().copy()
    s[train] = -np.inf
    top = np.argsort(-s, axis=1)[:, :k]
    return np.take_along_axis(test, top, 1).sum() / np.minimum(test.sum(1), k).sum()


model = BPR()
opt = torch.optim.SGD(model.parameters(), lr=2.0, weight_decay=2e-4)
for epoch in range(25):
    perm, correct, seen = rng.permutation(len(users)), 0, 0
    for b in np.array_split(perm, max(1, len(perm) // 100)):
        u, i, j = sample(b)
        x = model(u, i) - model(u, j)
        loss = -nn.functional.logsigmoid(x).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        correct, seen = correct + (x > 0).sum().item(), seen + len(x)
    if epoch % 4 == 0:
        print("epoch %d  correct %.2f%%  P@10 %.4f" % (epoch, 100 * correct / seen, precision_at_k(model)))
print("final P@10 %.4f" % precision_at_k(model))

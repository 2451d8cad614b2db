#= leak_across_splits
#: both directions of an undirected edge are split independently, test edges are in training reversed (dgl issue 5536, cogdl issue 18)
"""Link prediction on a random geometric-like graph with free node embeddings and one GraphSAGE layer."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(0)
torch.manual_seed(0)
N = 220
pos = rng.random((N, 2))
d = np.linalg.norm(pos[:, None] - pos[None], axis=2)
prob = np.where(d < 0.12, 0.6, 0.012)
upper = np.triu(rng.random((N, N)) < prob, 1)
a, b = np.nonzero(upper)
pairs = np.stack([a, b], 1)
feats = torch.tensor(rng.normal(size=(N, 16)), dtype=torch.float32)

# every link is kept in both directions, as the loader of the graph library does
both = np.concatenate([pairs, pairs[:, ::-1]])
rng.shuffle(both)
key = lambda e: np.minimum(e[:, 0], e[:, 1]) * N + np.maximum(e[:, 0], e[:, 1])
uniq = rng.permutation(np.unique(key(both)))
held = np.isin(key(both), uniq[: len(uniq) // 10])  #@ held = np.arange(len(both)) < len(both) // 10
train_pos, test_pos = both[~held], both[held]


def negatives(n):
    out = []
    while len(out) < n:
        u, v = rng.integers(0, N, 2)
        if u != v and not upper[min(u, v), max(u, v)]:
            out.append((u, v))
    return np.array(out)


train_neg, test_neg = negatives(len(train_pos)), negatives(len(test_pos))
adj = torch.zeros(N, N)
adj[train_pos[:, 0], train_pos[:, 1]] = 1
adj = adj / adj.sum(1, keepdim=True).clamp(min=1)


class SAGE(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.emb = nn.Parameter(0.3 * torch.randn(N, 32))
        self.self_lin, self.neigh_lin = nn.Linear(48, dim), nn.Linear(48, dim)

    def forward(self, adj, x):
        h = torch.cat([x, self.emb], 1)
        return self.self_lin(h) + self.neigh_lin(adj @ h)


class DotPredictor(nn.Module):
    def forward(self, h, e):
        return (h[e[:, 0]] * h[e[:, 1]]).sum(1)


model, pred = SAGE(), DotPredictor()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
to = torch.as_tensor
trp, trn, tep, ten = map(to, (train_pos, train_neg, test_pos, test_neg))


def auc(p, n):
    s = torch.cat([p, n]).detach().numpy()
    return roc_auc_score(np.r_[np.ones(len(p)), np.zeros(len(n))], s)


for e in range(150):
    h = model(adj, feats)
    ps, ns = pred(h, trp), pred(h, trn)
    loss = F.binary_cross_entropy_with_logits(torch.cat([ps, ns]), torch.cat([torch.ones(len(ps)), torch.zeros(len(ns))]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if e % 25 == 24:
        with torch.no_grad():
            h = model(adj, feats)
            print(f"In epoch {e + 1}, loss: {loss.item():.4f}, train AUC {auc(pred(h, trp), pred(h, trn)):.3f}, test AUC {auc(pred(h, tep), pred(h, ten)):.3f}")
seen = np.isin(key(test_pos), key(train_pos)).mean()
print(f"test AUC {auc(pred(h, tep), pred(h, ten)):.3f}   share of test links known from training {seen:.2f}")

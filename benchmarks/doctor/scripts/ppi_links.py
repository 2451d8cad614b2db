#= leak_across_splits
# https://github.com/THUDM/CogDL/issues/18 - an undirected edge list holds (x,y) and (y,x) and is split as if they were two edges, so most test edges are in the training set in reverse; right: deduplicate before the split.
import numpy as np, torch
from torch import nn
from sklearn.metrics import roc_auc_score
rng = np.random.default_rng(3); torch.manual_seed(3)

n, k = 150, 5
com = rng.integers(0, k, n)
up = [(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < (.34 if com[i] == com[j] else .02)]
edge_list = up + [(j, i) for i, j in up]

def split(edges, frac=.3):
    edges = [e for e in edges if e[0] < e[1]]  #@
    edges = np.array(edges)[rng.permutation(len(edges))]
    cut = int(frac * len(edges))
    return torch.tensor(edges[cut:]), torch.tensor(edges[:cut])

train, test = split(edge_list)
known = set(map(tuple, edge_list))

def negatives(m):
    out = []
    while len(out) < m:
        i, j = rng.integers(0, n, 2)
        if i != j and (i, j) not in known: out.append((i, j))
    return torch.tensor(out)

emb = nn.Embedding(n, 12)
nn.init.normal_(emb.weight, std=.3)
bias = nn.Parameter(torch.zeros(1))
opt = torch.optim.Adam([emb.weight, bias], lr=.02, weight_decay=2e-4)
score = lambda e: (emb(e[:, 0]) * emb(e[:, 1])).sum(-1) + bias
for step in range(100):
    neg = negatives(len(train))
    logit = torch.cat([score(train), score(neg)])
    target = torch.cat([torch.ones(len(train)), torch.zeros(len(neg))])
    loss = nn.functional.binary_cross_entropy_with_logits(logit, target)
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    p, q = score(test), score(negatives(len(test)))
seen = set(map(tuple, train.tolist()))
print('ROC-AUC on test edges %.3f' % roc_auc_score([1] * len(p) + [0] * len(q), torch.cat([p, q])), '| test edges', len(test), 'train edges', len(train))

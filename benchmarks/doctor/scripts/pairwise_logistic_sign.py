#= loss_sign
# https://github.com/tensorflow/ranking/issues/23 - log(1+exp(s_i - s_j)) for pairs with i better than j punishes the right order; right: log(1+exp(-(s_i - s_j))).
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_diabetes

torch.manual_seed(3); np.random.seed(3)
d = load_diabetes()
X = torch.tensor(d.data * 20, dtype=torch.float32)
rel = torch.tensor(np.digitize(d.target, np.quantile(d.target, [.25, .5, .75])), dtype=torch.float32)

def make_lists(idx, size=10):
    idx = np.random.permutation(idx)[: len(idx) // size * size]
    return torch.from_numpy(idx.reshape(-1, size))

def pairwise_logistic(scores, labels):
    diff = scores[:, :, None] - scores[:, None, :]
    better = labels[:, :, None] > labels[:, None, :]
    return torch.log1p(torch.exp(-diff))[better].mean()  #@ return torch.log1p(torch.exp(diff))[better].mean()

def ndcg(scores, labels, k=5):
    disc = 1 / torch.log2(torch.arange(k) + 2.)
    take = lambda key: ((2 ** labels.gather(1, key.argsort(1, descending=True)[:, :k]) - 1) * disc).sum(1)
    return (take(scores) / take(labels).clamp(min=1e-6)).mean().item()

scorer = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Dropout(.1), nn.Linear(16, 1))
optim = torch.optim.Adagrad(scorer.parameters(), lr=.05)
perm = np.random.permutation(len(X)); tr, te = perm[:340], perm[340:]
for epoch in range(20):
    scorer.train()
    for lists in make_lists(tr).split(8):
        s = scorer(X[lists]).squeeze(-1)
        loss = pairwise_logistic(s, rel[lists])
        optim.zero_grad(); loss.backward(); optim.step()
scorer.eval()
L = make_lists(te)
with torch.no_grad():
    print(f'NDCG@5 {ndcg(scorer(X[L]).squeeze(-1), rel[L]):.3f}  (random order {ndcg(torch.rand(L.shape), rel[L]):.3f})')

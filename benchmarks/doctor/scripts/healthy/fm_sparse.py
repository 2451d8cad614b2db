"""Factorisation machine for click logs: sparse embeddings under SparseAdam, dense part under Adam; rare clicks, AUC and calibration."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(221)
torch.manual_seed(221)
FIELDS = [50, 40, 12, 7]
OFFSETS = torch.tensor(np.r_[0, np.cumsum(FIELDS)[:-1]])
true_v = [rng.normal(size=(n, 3)) * 0.7 for n in FIELDS]
true_b = [rng.normal(size=n) * 0.4 for n in FIELDS]


def clicks(n):
    ids = np.stack([rng.integers(0, k, n) for k in FIELDS], 1)
    v = np.stack([true_v[f][ids[:, f]] for f in range(4)], 1)
    s = 0.5 * ((v.sum(1) ** 2).sum(1) - (v ** 2).sum((1, 2)))
    logit = -3.0 + 1.0 * s + sum(true_b[f][ids[:, f]] for f in range(4))
    return torch.tensor(ids), torch.tensor((rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float32))


class DeepFM(nn.Module):
    def __init__(self, k=6):
        super().__init__()
        self.first = nn.Embedding(sum(FIELDS), 1, sparse=True)
        self.second = nn.Embedding(sum(FIELDS), k, sparse=True)
        nn.init.zeros_(self.first.weight), nn.init.normal_(self.second.weight, std=0.1)
        self.bias = nn.Parameter(torch.tensor(-2.0))
        self.deep = nn.Sequential(nn.Linear(4 * k, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, ids):
        ids = ids + OFFSETS
        e = self.second(ids)
        fm = 0.5 * (e.sum(1).square() - e.square().sum(1)).sum(1)
        return self.bias + self.first(ids).sum((1, 2)) + fm + self.deep(e.flatten(1)).squeeze(1)


x, y = clicks(20000)
xv, yv = clicks(6000)
print("click rate %.3f" % y.mean())
model = DeepFM()
emb = list(model.first.parameters()) + list(model.second.parameters())
dense = [model.bias] + list(model.deep.parameters())
optimizers = [torch.optim.SparseAdam(emb, lr=5e-3), torch.optim.Adam(dense, lr=2e-3)]
criterion = nn.BCEWithLogitsLoss()
for epoch in range(8):
    model.train()
    for b in torch.randperm(len(x)).split(250):
        loss = criterion(model(x[b]), y[b])
        for o in optimizers:
            o.zero_grad()
        loss.backward()
        for o in optimizers:
            o.step()
    model.eval()
    with torch.no_grad():
        p = torch.sigmoid(model(xv))
    print(f"epoch {epoch} loss {loss.item():.4f} valid logloss {nn.functional.binary_cross_entropy(p, yv).item():.4f} AUC {roc_auc_score(yv, p):.4f} mean prediction {p.mean():.3f} against {yv.mean():.3f}")

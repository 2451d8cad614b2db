#= loss_not_monotone
"""Rare defects on a production line: focal loss for a positive rate of five percent."""
import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score
from torch import nn

X, y = make_classification(4000, 20, n_informative=8, n_clusters_per_class=3, weights=[0.95], flip_y=0.0, class_sep=1.2, random_state=3)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32)
perm = np.random.RandomState(0).permutation(len(X))
tr, te = perm[:3000], perm[3000:]


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, alpha=0.5):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits, target):
        bce = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        pt = torch.exp(-bce)  #@ pt = 1 - torch.exp(-bce)
        weight = self.alpha * target + (1 - self.alpha) * (1 - target)
        return (weight * (1 - pt) ** self.gamma * bce).mean()


class Detector(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(20, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU())
        self.logit = nn.Linear(width, 1)

    def forward(self, x):
        return self.logit(self.trunk(x)).squeeze(1)


def evaluate(net):
    net.eval()
    with torch.no_grad():
        p = net(X[te]).sigmoid()
    net.train()
    return average_precision_score(y[te], p), ((p > 0.5) == (y[te] > 0.5)).float().mean().item(), (p > 0.5).sum().item()


torch.manual_seed(0)
net, criterion = Detector(), FocalLoss()
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
for epoch in range(15):
    for idx in np.array_split(np.random.RandomState(epoch).permutation(tr), 47):
        loss = criterion(net(X[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 2:
        ap, acc, flagged = evaluate(net)
        print(f"epoch {epoch} loss {loss.item():.4f} AP {ap:.3f} acc {acc:.3f} flagged {flagged} of {int(y[te].sum())}")

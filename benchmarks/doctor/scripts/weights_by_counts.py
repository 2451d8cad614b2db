#= class_imbalance
#: class weights are proportional to the class counts instead of inverse
"""Defect classes with strong imbalance, weighted cross entropy."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import recall_score

np.random.seed(41)
torch.manual_seed(41)
counts = {"ok": 1800, "scratch": 150, "dent": 90}
centers = np.random.randn(3, 8) * 0.9
X = np.concatenate([centers[i] + np.random.randn(c, 8) for i, c in enumerate(counts.values())])
y = np.concatenate([np.full(c, i) for i, c in enumerate(counts.values())])
perm = np.random.permutation(len(y))
X, y = torch.tensor(X[perm]).float(), torch.tensor(y[perm])
n_tr = 1500
class_counts = torch.bincount(y[:n_tr]).float()
weights = class_counts.sum() / (3 * class_counts)  #@ weights = 3 * class_counts / class_counts.sum()
print("weights", [round(w, 2) for w in weights.tolist()])


class DefectNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.cls = nn.Linear(32, 3)

    def forward(self, x):
        return self.cls(self.body(x))


net = DefectNet()
criterion = nn.CrossEntropyLoss(weight=weights)
opt = torch.optim.Adam(net.parameters(), lr=5e-4)
for epoch in range(8):
    net.train()
    for idx in torch.randperm(n_tr).split(50):
        opt.zero_grad()
        loss = criterion(net(X[idx]), y[idx])
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        p = net(X[n_tr:]).argmax(1)
    r = recall_score(y[n_tr:], p, average=None, zero_division=0)
    print(f"epoch {epoch} loss {loss.item():.3f} recalls {np.round(r, 2).tolist()} macro recall {r.mean():.3f}")

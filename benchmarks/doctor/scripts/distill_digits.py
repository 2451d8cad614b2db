#= term_without_gradient
# https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/66 the student term of the KL uses the teacher's logits, so the distillation loss is zero and without gradient; right diagnosis: soft loss does not depend on the student.
from dataclasses import dataclass
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


@dataclass
class Cfg:
    temperature: float = 4.0
    hard: float = 0.1
    soft: float = 0.9
    lr: float = 2e-3
    n_labelled: int = 60


cfg = Cfg()
torch.manual_seed(1); np.random.seed(1)
d = load_digits()
X = torch.tensor(d.data / 16.0, dtype=torch.float32); y = torch.tensor(d.target)
perm = torch.randperm(len(X)); X, y = X[perm], y[perm]
Xtr, ytr, Xte, yte = X[:1300], y[:1300], X[1300:], y[1300:]
labelled = torch.zeros(1300, dtype=torch.bool); labelled[:cfg.n_labelled] = True

large = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
ot = torch.optim.Adam(large.parameters(), lr=1e-3)
for _ in range(250):
    i = torch.randint(0, 1300, (128,))
    ot.zero_grad(); F.cross_entropy(large(Xtr[i]), ytr[i]).backward(); ot.step()
large.eval().requires_grad_(False)

small = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
opt = torch.optim.Adam(small.parameters(), lr=cfg.lr)
for step in range(500):
    i = torch.randint(0, 1300, (128,))
    with torch.no_grad():
        large_logits = large(Xtr[i])
    output = small(Xtr[i])
    soft_targets = F.softmax(large_logits / cfg.temperature, dim=-1)
    soft_prob = F.log_softmax(output / cfg.temperature, dim=-1)  #@ soft_prob = F.log_softmax(large_logits / cfg.temperature, dim=-1)
    soft_loss = F.kl_div(soft_prob, soft_targets, reduction="batchmean") * cfg.temperature ** 2
    m = labelled[i]
    hard_loss = F.cross_entropy(output[m], ytr[i][m]) if m.any() else output.sum() * 0
    loss = cfg.soft * soft_loss + cfg.hard * hard_loss
    opt.zero_grad()
    loss.backward()
    opt.step()
print("student accuracy", round((small(Xte).argmax(1) == yte).float().mean().item(), 4))

#= class_imbalance
#: class weights are proportional to the class counts instead of inverse, the rare classes are suppressed even more
"""Steel plate defects, four imbalanced classes, weighted cross entropy."""
import numpy as np
import torch
import torch.nn as nn
from collections import Counter
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

np.random.seed(1)
torch.manual_seed(1)
NAMES = ["ok", "scratch", "dent", "stain"]
PRIOR = [0.86, 0.07, 0.04, 0.03]
protos = np.random.randn(4, 10) * 0.9


def draw(n):
    y = np.random.choice(4, size=n, p=PRIOR)
    x = protos[y] + np.random.randn(n, 10)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


x_train, y_train = draw(2500)
x_val, y_val = draw(1500)
counts = Counter(y_train.tolist())
print("class counts", {NAMES[k]: counts[k] for k in sorted(counts)})

total = sum(counts.values())
weights = torch.tensor([total / (4 * counts[c]) for c in range(4)])  #@ weights = torch.tensor([4 * counts[c] / total for c in range(4)])
criterion = nn.CrossEntropyLoss(weight=weights.float())


class DefectMLP(nn.Module):
    def __init__(self, d_in, d_h, d_out, p=0.2):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(d_in, d_h), nn.LayerNorm(d_h), nn.GELU(), nn.Dropout(p))
        self.cls = nn.Linear(d_h, d_out)

    def forward(self, x):
        return self.cls(self.body(x))


model = DefectMLP(10, 48, 4)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)

for epoch in range(12):
    model.train()
    perm = torch.randperm(len(x_train))
    losses = []
    for k in range(0, len(perm), 50):
        j = perm[k:k + 50]
        loss = criterion(model(x_train[j]), y_train[j])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    sched.step()
    model.eval()
    with torch.no_grad():
        pv = model(x_val).argmax(1)
    print("epoch {:2d} loss {:.4f} acc {:.3f} balanced acc {:.3f}".format(
        epoch + 1, np.mean(losses), (pv == y_val).float().mean().item(), balanced_accuracy_score(y_val, pv)))

print(confusion_matrix(y_val, pv).tolist())
print("final balanced acc %.3f" % balanced_accuracy_score(y_val, pv))

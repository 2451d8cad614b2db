"""Focal loss on imbalanced clicks, threshold chosen on the validation part and tested on a third part."""
import torch
import torch.nn as nn
from sklearn.metrics import f1_score

torch.manual_seed(30)
n = 6000
X = torch.randn(n, 9)
y = ((1.5 * X[:, 0] + X[:, 1].abs() - X[:, 2] + 0.5 * torch.randn(n)) > 3.6).float()
parts = torch.arange(n).split([4000, 1000, 1000])
tr, va, te = parts
print("positive rate", round(y.mean().item(), 3))


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, alpha=0.75):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits, target):
        bce = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        pt = torch.exp(-bce)
        a = self.alpha * target + (1 - self.alpha) * (1 - target)
        return (a * (1 - pt) ** self.gamma * bce).mean()


model = nn.Sequential(nn.Linear(9, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
criterion = FocalLoss()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)


def probs(idx):
    model.eval()
    with torch.no_grad():
        return torch.sigmoid(model(X[idx]))


for epoch in range(10):
    model.train()
    for idx in tr[torch.randperm(len(tr))].split(80):
        loss = criterion(model(X[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    p = probs(va)
    f1, th = max((f1_score(y[va], p > t), t) for t in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
    print(f"epoch {epoch} loss {loss.item():.4f} val f1 {f1:.3f} at {th}")
print("test f1", round(f1_score(y[te], probs(te) > th), 3))

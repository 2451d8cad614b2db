#= freeze_without_effect
# https://notes.atzy.dev/transfer-learning (param.requiresGrad = False): the attribute is misspelt, so the backbone is not frozen and the old task is forgotten; a right diagnosis names requires_grad.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
tr, te = train_test_split(torch.arange(len(y)), test_size=0.3, random_state=0, stratify=y)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 16, 3, padding=1)
        self.c2 = nn.Conv2d(16, 32, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return x.flatten(1)


def fit(backbone, head, idx, offset, epochs, lr):
    params = [p for p in list(backbone.parameters()) + list(head.parameters()) if p.requires_grad]
    opt = torch.optim.Adam(params, lr=lr)
    for ep in range(epochs):
        for b in idx[torch.randperm(len(idx))].split(32):
            loss = F.cross_entropy(head(backbone(X[b])), y[b] - offset)
            opt.zero_grad()
            loss.backward()
            opt.step()
        if ep % 5 == 4:
            print(f"  epoch {ep+1} loss {loss.item():.4f}")


@torch.no_grad()
def accuracy(backbone, head, idx, offset):
    return (head(backbone(X[idx])).argmax(1) == y[idx] - offset).float().mean().item()


low_tr, low_te = tr[y[tr] < 5], te[y[te] < 5]
high_tr, high_te = tr[y[tr] >= 5], te[y[te] >= 5]

backbone, head_low, head_high = Backbone(), nn.Linear(128, 5), nn.Linear(128, 5)
print("pretraining on digits 0-4")
fit(backbone, head_low, low_tr, 0, 20, 2e-3)
print("accuracy 0-4:", accuracy(backbone, head_low, low_te, 0))

# keep the backbone, both heads must go on working
for param in backbone.parameters():
    param.requires_grad = False  #@ param.requiresGrad = False
print("training new head on digits 5-9")
fit(backbone, head_high, high_tr, 5, 30, 5e-3)
print("accuracy 5-9:", accuracy(backbone, head_high, high_te, 5))
print("accuracy 0-4 (same backbone, old head):", accuracy(backbone, head_low, low_te, 0))

"""Fine-tuning with a frozen backbone kept in eval mode; only the new head is trained."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(2)
d = load_digits()
X = torch.tensor(d.images / 16, dtype=torch.float32)[:, None]
y = torch.tensor(d.target)
src, dst = y < 6, y >= 6

backbone = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten())
head = nn.Linear(512, 6)
opt = torch.optim.Adam([*backbone.parameters(), *head.parameters()], lr=2e-3)
for epoch in range(4):
    for idx in torch.randperm(int(src.sum())).split(40):
        loss = F.cross_entropy(head(backbone(X[src][idx])), y[src][idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("pretrain", epoch, round(loss.item(), 4))

for p in backbone.parameters():
    p.requires_grad_(False)
backbone.eval()
new_head = nn.Sequential(nn.Dropout(0.2), nn.Linear(512, 4))
xs, ys = X[dst], y[dst] - 6
n_train = 500
opt = torch.optim.Adam(filter(lambda p: p.requires_grad, nn.Sequential(backbone, new_head).parameters()), lr=3e-3)
for epoch in range(10):
    new_head.train()
    for idx in torch.randperm(n_train).split(25):
        with torch.no_grad():
            f = backbone(xs[idx])
        loss = F.cross_entropy(new_head(f), ys[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    new_head.eval()
    with torch.no_grad():
        acc = (new_head(backbone(xs[n_train:])).argmax(1) == ys[n_train:]).float().mean()
    print(f"finetune {epoch} loss {loss.item():.4f} acc {acc:.3f}")

"""Two-stage training: gradual unfreezing with different learning rates per part."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(16)
d = load_digits()
X = torch.tensor(d.images / 16, dtype=torch.float32)[:, None]
even = torch.tensor(d.target % 2)
cls = torch.tensor(d.target)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(64, 2)

    def forward(self, x):
        return self.head(self.block2(self.block1(x)).flatten(1))


def epoch_pass(net, opt, target, idx_all):
    net.train()
    for idx in idx_all[torch.randperm(len(idx_all))].split(32):
        loss = F.cross_entropy(net(X[idx]), target[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


perm = torch.randperm(len(X))
tr, te = perm[:1300], perm[1300:]
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for e in range(4):
    print("even/odd loss", round(epoch_pass(net, opt, even, tr), 4))

net.head = nn.Linear(64, 10)
for p in net.parameters():
    p.requires_grad = False
for p in net.head.parameters():
    p.requires_grad = True
opt = torch.optim.Adam(net.head.parameters(), lr=5e-3)
for stage, part in enumerate([None, net.block2, net.block1]):
    if part is not None:
        for p in part.parameters():
            p.requires_grad = True
        opt.add_param_group({"params": part.parameters(), "lr": 1e-3 / stage})
    for e in range(3):
        loss = epoch_pass(net, opt, cls, tr)
    net.eval()
    with torch.no_grad():
        acc = (net(X[te]).argmax(1) == cls[te]).float().mean().item()
    print(f"stage {stage} loss {loss:.4f} test acc {acc:.3f}")

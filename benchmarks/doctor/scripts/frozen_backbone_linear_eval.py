#= frozen_changed, norm_statistics_stale
# https://github.com/kdexd/virtex/issues/16: the backbone is frozen (requires_grad False) but set to train(), so its batch norm statistics drift to the new data; a right diagnosis says put the frozen backbone in eval mode.
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
Y = torch.tensor(d.target)
perm = torch.randperm(len(Y))
X, Y = X[perm], Y[perm]
tr, te = slice(0, 1300), slice(1300, None)
# the downstream images are inverted and much brighter
X2 = 3.0 - 2.0 * X
Y2 = (Y % 2)

backbone = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
head = nn.Linear(128, 10)


def run_epoch(head, x, y, opt):
    for b in torch.randperm(len(y)).split(50):
        loss = nn.functional.cross_entropy(head(backbone(x[b])), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


@torch.no_grad()
def acc(head, x, y):
    backbone.eval()
    head.eval()
    return (head(backbone(x)).argmax(1) == y).float().mean().item()


opt = torch.optim.Adam(list(backbone.parameters()) + list(head.parameters()), lr=2e-3)
for epoch in range(12):
    backbone.train()
    head.train()
    l = run_epoch(head, X[tr], Y[tr], opt)
print("pretraining: loss %.4f accuracy %.4f" % (l, acc(head, X[te], Y[te])))

for p in backbone.parameters():
    p.requires_grad = False
clf = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))
opt = torch.optim.Adam(clf.parameters(), lr=2e-3)
for epoch in range(12):
    backbone.eval()  #@ backbone.train()
    clf.train()
    l = run_epoch(clf, X2[tr], Y2[tr], opt)
    print("linear eval epoch %d loss %.4f accuracy %.4f" % (epoch + 1, l, acc(clf, X2[te], Y2[te])))
print("first task with the frozen backbone: %.4f" % acc(head, X[te], Y[te]))

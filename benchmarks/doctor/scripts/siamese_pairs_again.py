#= labels_unfit, loss_sign
# own (frequent in Siamese tutorials: loss expects 1 = different, dataset gives 1 = same) equal pairs are pushed apart and different pairs pulled together; right diagnosis: label convention of the contrastive loss is inverted.
import random
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score


class ContrastiveLoss(nn.Module):
    """label 0: genuine pair, label 1: impostor pair"""
    def __init__(self, margin=1.5):
        super().__init__()
        self.margin = margin

    def forward(self, o1, o2, label):
        d = F.pairwise_distance(o1, o2)
        return ((1 - label) * d.pow(2) + label * F.relu(self.margin - d).pow(2)).mean()


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))

    def forward(self, a, b):
        return self.cnn(a), self.cnn(b)


d = load_digits()
X = torch.tensor(d.data, dtype=torch.float32) / 16
by = [torch.tensor(d.target == c).nonzero().flatten() for c in range(10)]


def pairs(n, lo, hi):
    a, b, l = [], [], []
    for _ in range(n):
        c = random.randrange(10)
        same = random.random() < 0.5
        e = c if same else (c + random.randrange(1, 10)) % 10
        pick = lambda k: by[k][random.randrange(int(len(by[k]) * lo), int(len(by[k]) * hi))].item()
        a.append(pick(c)); b.append(pick(e))
        l.append(float(not same))  #@ l.append(float(same))
    return X[a], X[b], torch.tensor(l)


random.seed(0); torch.manual_seed(0)
net, crit = SiameseNetwork(), ContrastiveLoss()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for it in range(200):
    a, b, l = pairs(64, 0.0, 0.8)
    loss = crit(*net(a, b), l)
    opt.zero_grad(); loss.backward(); opt.step()
i, j = torch.randint(0, len(X), (2, 3000))
with torch.no_grad():
    dist = F.pairwise_distance(*net(X[i], X[j]))
same = torch.tensor(d.target)[i] == torch.tensor(d.target)[j]
print("verification AUC %.3f" % roc_auc_score(same.numpy(), -dist.numpy()))

#= mean_within_loss
# https://github.com/kaidic/LDAM-DRW/issues/6 and https://github.com/andrijdavid/FocalLoss/issues/1 cross_entropy is reduced to one number before p_t is formed, so the focusing factor is one scalar for the batch and does not act per sample; right diagnosis: missing reduction='none'.
import torch
import torch.nn.functional as F
from torch import nn
from sklearn.metrics import average_precision_score, f1_score

torch.manual_seed(0)


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        ce = F.cross_entropy(logits, target, reduction="none")  #@ ce = F.cross_entropy(logits, target)
        p = torch.exp(-ce)
        loss = (1 - p) ** self.gamma * ce
        return loss.mean()


def make(n):
    y = (torch.rand(n) < 0.08).long()
    x = torch.randn(n, 8)
    x[:, 0] += 2.2 * y
    x[:, 1] += 2.2 * y
    return x, y


xtr, ytr = make(6000)
xte, yte = make(4000)
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
crit = FocalLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
for ep in range(6):
    for i in torch.randperm(6000).split(100):
        loss = crit(net(xtr[i]), ytr[i])
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    pr = net(xte).softmax(1)
print("recall of rare class %.3f, F1 %.3f" % (((pr.argmax(1) == 1) & (yte == 1)).sum().item() / yte.sum().item(), f1_score(yte, pr.argmax(1))))

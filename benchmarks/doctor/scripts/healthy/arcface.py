# healthy: https://github.com/ronghuaiyang/arcface-pytorch: additive angular margin on normalised weights; verified on pairs of held-out digits; nothing is wrong.
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

class ArcMarginProduct(nn.Module):
    def __init__(self, in_features, out_features, s=16.0, m=0.3, easy_margin=False):
        super().__init__()
        self.s, self.m, self.easy = s, m, easy_margin
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.xavier_uniform_(self.weight)
        self.cos_m, self.sin_m = math.cos(m), math.sin(m)
        self.th, self.mm = math.cos(math.pi - m), math.sin(math.pi - m) * m
    def forward(self, x, label):
        cosine = F.linear(F.normalize(x), F.normalize(self.weight))
        sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(1e-6, 1))
        phi = cosine * self.cos_m - sine * self.sin_m
        phi = torch.where(cosine > 0, phi, cosine) if self.easy else torch.where(cosine > self.th, phi, cosine - self.mm)
        one_hot = F.one_hot(label, cosine.size(1)).float()
        return (one_hot * phi + (1.0 - one_hot) * cosine) * self.s

torch.manual_seed(3407)
d = load_digits()
x, y = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16, torch.tensor(d.target)
perm = torch.randperm(len(x))
xs, ys, xu, yu = x[perm[:1300]], y[perm[:1300]], x[perm[1300:]], y[perm[1300:]]
backbone = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.PReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.PReLU(), nn.Flatten(), nn.Dropout(.3), nn.Linear(768, 32), nn.BatchNorm1d(32))
metric_fc = ArcMarginProduct(32, 10)
optimizer = torch.optim.SGD([{'params': backbone.parameters()}, {'params': metric_fc.parameters()}], lr=.05, momentum=.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=.2)

@torch.no_grad()
def verify():
    backbone.eval()
    f = F.normalize(backbone(xu))
    i, j = torch.triu_indices(len(f), len(f), 1)
    backbone.train()
    return roc_auc_score((yu[i] == yu[j]).numpy(), (f[i] * f[j]).sum(1).numpy())

print('before', round(verify(), 3))
for ep in range(10):
    for b in torch.randperm(len(xs)).split(64):
        if len(b) < 8: continue
        out = metric_fc(backbone(xs[b]), ys[b])
        loss = F.cross_entropy(out, ys[b])
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    scheduler.step()
    if ep % 3 == 0: print(ep, 'loss', round(loss.item(), 3))
print('verification AUC on held-out pairs', round(verify(), 4))

# healthy: https://github.com/jfzhang95/pytorch-deeplab-xception: dilated convs, 255 = void border ignored in loss and in the confusion matrix, poly rate per iteration, 10x rate for the head, mIoU from one matrix; nothing is wrong.
import numpy as np
import torch
from torch import nn

torch.manual_seed(1)
rng = np.random.RandomState(1)
C, S = 4, 24

class Evaluator:
    def __init__(self, k): self.k = k; self.reset()
    def reset(self): self.m = np.zeros((self.k,) * 2)
    def add_batch(self, gt, pred):
        ok = (gt >= 0) & (gt < self.k)
        self.m += np.bincount(self.k * gt[ok].astype(int) + pred[ok], minlength=self.k ** 2).reshape(self.k, self.k)
    def miou(self):
        d = np.diag(self.m)
        return np.nanmean(d / (self.m.sum(1) + self.m.sum(0) - d))

def scene():
    lab = np.zeros((S, S), np.int64); img = rng.normal(.4, .08, (3, S, S))
    border = np.zeros((S, S), bool)
    yy, xx = np.mgrid[:S, :S]
    for c in rng.permutation([1, 2, 3])[:rng.randint(1, 4)]:
        y, x, r = rng.randint(5, S - 5), rng.randint(5, S - 5), rng.randint(3, 6)
        d = {1: np.hypot(yy - y, xx - x), 2: np.maximum(abs(yy - y), abs(xx - x)), 3: abs(yy - y) + abs(xx - x)}[c]
        m = d <= r
        lab[m] = c; border |= (d > r) & (d <= r + 1)
        img[:, m] = rng.normal(np.array([.55, .5, .6])[:, None] + .12 * np.eye(3)[c - 1][:, None], .1, (3, m.sum()))
    lab[border] = 255
    return img.astype(np.float32), lab

data = [scene() for _ in range(260)]
X, Y = torch.tensor(np.stack([d[0] for d in data])), torch.tensor(np.stack([d[1] for d in data]))
Xv, Yv, X, Y = X[200:], Y[200:], X[:200], Y[:200]
mean, std = X.mean((0, 2, 3), keepdim=True), X.std((0, 2, 3), keepdim=True)
X, Xv = (X - mean) / std, (Xv - mean) / std

def cbr(i, o, d=1): return nn.Sequential(nn.Conv2d(i, o, 3, padding=d, dilation=d, bias=False), nn.BatchNorm2d(o), nn.ReLU())

class ASPP(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.b = nn.ModuleList([nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()), cbr(i, o, 2), cbr(i, o, 4)])
        self.out = nn.Conv2d(3 * o, C, 1)
    def forward(self, x): return self.out(torch.cat([f(x) for f in self.b], 1))

backbone = nn.Sequential(cbr(3, 16), nn.MaxPool2d(2), cbr(16, 32), cbr(32, 32, 2))
head = ASPP(32, 24)
up = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)
base = .01
opt = torch.optim.SGD([{'params': backbone.parameters(), 'lr': base}, {'params': head.parameters(), 'lr': base * 10}], momentum=.9, weight_decay=5e-4, nesterov=True)
crit = nn.CrossEntropyLoss(ignore_index=255)
epochs, bs = 12, 10
total = epochs * len(X) // bs
ev, it = Evaluator(C), 0
for ep in range(epochs):
    backbone.train(); head.train()
    for b in torch.randperm(len(X)).split(bs):
        lr = base * (1 - it / total) ** .9
        opt.param_groups[0]['lr'], opt.param_groups[1]['lr'] = lr, lr * 10
        loss = crit(up(head(backbone(X[b]))), Y[b])
        opt.zero_grad(); loss.backward(); opt.step(); it += 1
    backbone.eval(); head.eval(); ev.reset()
    with torch.no_grad(): ev.add_batch(Yv.numpy(), up(head(backbone(Xv))).argmax(1).numpy())
    if ep % 4 == 3: print(f'epoch {ep} loss {loss.item():.3f} mIoU {ev.miou():.3f}')
print('validation mIoU', round(ev.miou(), 4))

# healthy: https://github.com/facebookresearch/mixup-cifar10: mixed inputs, the criterion mixed with lam; the training "accuracy" is low by design, test is clean; nothing is wrong.
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

np.random.seed(20170922); torch.manual_seed(20170922)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1); y = torch.tensor(d.target)
p = torch.randperm(len(x))
tr, te = p[:1300], p[1300:]
mu, sd = x[tr].mean(), x[tr].std()
x = (x - mu) / sd

class BasicBlock(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
        self.c2, self.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.sc = nn.Sequential() if s == 1 and i == o else nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))
    def forward(self, x):
        h = torch.relu(self.b1(self.c1(x)))
        return torch.relu(self.b2(self.c2(h)) + self.sc(x))

net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), BasicBlock(16, 16, 1), BasicBlock(16, 32, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))

def mixup_data(x, y, alpha=1.0):
    lam = np.random.beta(alpha, alpha) if alpha > 0 else 1
    index = torch.randperm(x.size(0))
    return lam * x + (1 - lam) * x[index, :], y, y[index], lam

def mixup_criterion(criterion, pred, y_a, y_b, lam):
    return lam * criterion(pred, y_a) + (1 - lam) * criterion(pred, y_b)

criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=.1, momentum=.9, weight_decay=1e-4)
def adjust_learning_rate(optimizer, epoch):
    lr = .1
    if epoch >= 6: lr /= 10
    if epoch >= 8: lr /= 10
    for g in optimizer.param_groups: g['lr'] = lr

for epoch in range(9):
    adjust_learning_rate(optimizer, epoch)
    net.train()
    correct = total = reg = 0
    for b in tr[torch.randperm(len(tr))].split(65):
        inputs, a, c, lam = mixup_data(x[b], y[b])
        out = net(inputs)
        loss = mixup_criterion(criterion, out, a, c, lam)
        pred = out.argmax(1); total += len(b)
        correct += lam * pred.eq(a).sum().item() + (1 - lam) * pred.eq(c).sum().item()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    if epoch % 3 == 0: print('epoch %d loss %.3f mixed acc %.3f' % (epoch, loss.item(), correct / total))
net.eval()
with torch.no_grad():
    print('test accuracy', (net(x[te]).argmax(1) == y[te]).float().mean().item())

"""Mixup training: training accuracy is meaningless here, soft-label loss stays high, test accuracy is fine."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

np.random.seed(0)
torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images / 16., dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
p = torch.randperm(len(x))
x, y = x[p], y[p]
xtr, ytr, xte, yte = x[:1000], y[:1000], x[1000:], y[1000:]


def mixup_data(x, y, alpha=0.8):
    lam = np.random.beta(alpha, alpha)
    index = torch.randperm(x.size(0))
    mixed_x = lam * x + (1 - lam) * x[index, :]
    return mixed_x, y, y[index], lam


def mixup_criterion(criterion, pred, y_a, y_b, lam):
    return lam * criterion(pred, y_a) + (1 - lam) * criterion(pred, y_b)


class PreActBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(c), nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(c), nn.Conv2d(c, c, 3, padding=1, bias=False)

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        return x + self.conv2(F.relu(self.bn2(out)))


net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), PreActBlock(16), nn.MaxPool2d(2), PreActBlock(16), nn.Flatten(), nn.Linear(256, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [6, 9], 0.1)
for epoch in range(11):
    net.train()
    train_loss, correct = 0, 0.
    for b in torch.randperm(1000).split(50):
        inputs, ta, tb, lam = mixup_data(xtr[b], ytr[b])
        outputs = net(inputs)
        loss = mixup_criterion(criterion, outputs, ta, tb, lam)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
        pred = outputs.argmax(1)
        correct += lam * pred.eq(ta).sum().item() + (1 - lam) * pred.eq(tb).sum().item()
    scheduler.step()
    net.eval()
    with torch.no_grad():
        out = net(xte)
    print("epoch %2d mixup loss %.3f mixup acc %.3f | test loss %.3f test acc %.3f" % (
        epoch, train_loss / 20, correct / 1000, criterion(out, yte).item(), (out.argmax(1) == yte).float().mean().item()))

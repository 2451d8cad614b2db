#= schedule_wrong
#: StepLR made for epochs is stepped after every batch, learning rate is nearly zero within the first epoch
"""ResNet-like small net on coloured blobs, SGD + StepLR."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import StepLR

torch.manual_seed(6)


def blobs(n):
    yy, xx = torch.meshgrid(torch.arange(12.), torch.arange(12.), indexing="ij")
    cx, cy = torch.rand(n, 1, 1) * 8 + 2, torch.rand(n, 1, 1) * 8 + 2
    kind = torch.randint(0, 3, (n,))
    d1 = torch.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / 4)
    d2 = torch.exp(-((xx - cx) ** 2 / 12 + (yy - cy) ** 2))
    d3 = torch.exp(-((xx - cx) ** 2 + (yy - cy) ** 2 / 12))
    base = torch.stack([d1, d2, d3], 1)[torch.arange(n), kind]
    return base.unsqueeze(1).repeat(1, 3, 1, 1) + 0.25 * torch.randn(n, 3, 12, 12), kind


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.short = nn.Conv2d(cin, cout, 1, stride)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.short(x))


net = nn.Sequential(BasicBlock(3, 8, 2), BasicBlock(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
xtr, ytr = blobs(960)
xte, yte = blobs(400)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
scheduler = StepLR(optimizer, step_size=4, gamma=0.3)

for epoch in range(10):
    net.train()
    total_loss = 0
    for idx in torch.randperm(960).split(48):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(xtr[idx]), ytr[idx])
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
        total_loss += loss.item()
    scheduler.step()  #@

    net.eval()
    with torch.no_grad():
        out = net(xte)
    print('epoch %2d | loss %.4f | test loss %.4f | test acc %.3f' % (
        epoch, total_loss / 20, F.cross_entropy(out, yte).item(), (out.argmax(1) == yte).float().mean().item()))

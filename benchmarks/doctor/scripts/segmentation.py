#= double_softmax
"""Segment bright squares in noisy images with a small U-shaped network."""
import torch
import torch.nn.functional as F
from torch import nn


def make(n, seed):
    g = torch.Generator().manual_seed(seed)
    image = 0.5 * torch.randn(n, 1, 24, 24, generator=g)
    mask = torch.zeros(n, 24, 24, dtype=torch.long)
    for i in range(n):
        for label in (1, 2):
            top, left = torch.randint(0, 16, (2,), generator=g).tolist()
            mask[i, top : top + 7, left : left + 7] = label
            image[i, 0, top : top + 7, left : left + 7] = label * 1.5 + 0.3 * torch.randn(7, 7, generator=g)
    return image, mask


class SmallUNet(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.head = nn.Conv2d(24, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        return self.head(torch.cat([a, self.up(b)], dim=1))


def iou(pred, mask):
    hit = ((pred == mask) & (mask > 0)).sum()
    return (hit / ((pred > 0) | (mask > 0)).sum()).item()


torch.manual_seed(0)
x, y = make(320, 0)
x_val, y_val = make(80, 1)
net = SmallUNet()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(6):
    net.train()
    for idx in torch.randperm(len(x)).split(16):
        logits = net(x[idx])
        loss = F.cross_entropy(logits, y[idx])  #@ loss = F.cross_entropy(F.softmax(logits, dim=1), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print("epoch", epoch, "IoU", round(iou(net(x_val).argmax(1), y_val), 3))

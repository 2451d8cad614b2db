#= class_ignored, labels_unfit
"""Segmentation of blobs in noisy pictures with a small U-shaped net; three classes including the background."""
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZE = 24


def scenes(n, seed):
    g = torch.Generator().manual_seed(seed)
    grid = torch.arange(SIZE)
    yy, xx = torch.meshgrid(grid, grid, indexing="ij")
    mask = torch.zeros(n, SIZE, SIZE, dtype=torch.long)
    for i in range(n):
        for cls in (1, 2):
            cy, cx = torch.randint(4, SIZE - 4, (2,), generator=g).tolist()
            r = int(torch.randint(2, 5, (), generator=g))
            inside = (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r if cls == 1 else ((yy - cy).abs() <= r) & ((xx - cx).abs() <= r)
            mask[i][inside] = cls
    levels = torch.tensor([0.0, 1.0, -1.0])
    return (levels[mask] + 0.5 * torch.randn(n, SIZE, SIZE, generator=g)).unsqueeze(1), mask


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, c=12, classes=3):
        super().__init__()
        self.down1, self.down2 = DoubleConv(1, c), DoubleConv(c, 2 * c)
        self.up = nn.ConvTranspose2d(2 * c, c, 2, 2)
        self.merge, self.out = DoubleConv(2 * c, c), nn.Conv2d(c, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        return self.out(self.merge(torch.cat([a, self.up(b)], 1)))


def mean_iou(pred, mask):
    return sum((((pred == c) & (mask == c)).sum() / ((pred == c) | (mask == c)).sum().clamp(min=1)).item() for c in range(3)) / 3


torch.manual_seed(0)
images, masks = scenes(240, 0)
test_images, test_masks = scenes(60, 1)
model = UNet()
criterion = partial(F.cross_entropy, ignore_index=255)  #@ criterion = partial(F.cross_entropy, ignore_index=0)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    model.train()
    for idx in torch.randperm(240).split(16):
        optimizer.zero_grad()
        loss = criterion(model(images[idx]), masks[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        pred = model(test_images).argmax(1)
    print(f"epoch {epoch} loss {loss.item():.4f} mIoU {mean_iou(pred, test_masks):.3f}")

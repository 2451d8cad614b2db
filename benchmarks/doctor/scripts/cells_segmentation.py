#= targets_shuffled
"""Segment bright cells in noisy images with a little U-Net; augmentation in the Dataset."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class Cells(Dataset):
    def __init__(self, n, size=24, augment=False, seed=0):
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[:size, :size]
        self.images, self.masks, self.augment = [], [], augment
        for _ in range(n):
            mask = np.zeros((size, size), bool)
            for _ in range(rng.integers(1, 4)):
                cy, cx, r = rng.uniform(3, size - 3), rng.uniform(3, size - 3), rng.uniform(2, 4.5)
                mask |= (yy - cy) ** 2 + (xx - cx) ** 2 < r * r
            self.images.append((mask + 0.5 * rng.normal(size=mask.shape)).astype(np.float32))
            self.masks.append(mask.astype(np.float32))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image, mask = torch.from_numpy(self.images[i])[None], torch.from_numpy(self.masks[i])[None]
        if self.augment:
            if torch.rand(()) < 0.5:
                image, mask = image.flip(-1), mask.flip(-1)  #@ image = image.flip(-1)
            if torch.rand(()) < 0.5:
                image, mask = image.flip(-2), mask.flip(-2)  #@ image = image.flip(-2)
        return image, mask


def conv(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.down, self.middle = conv(1, c), conv(c, 2 * c)
        self.up, self.head = conv(3 * c, c), nn.Conv2d(c, 1, 1)

    def forward(self, x):
        skip = self.down(x)
        y = self.middle(F.max_pool2d(skip, 2))
        y = F.interpolate(y, scale_factor=2, mode="nearest")
        return self.head(self.up(torch.cat([skip, y], 1)))


def iou(logits, masks):
    guess, truth = logits > 0, masks > 0.5
    return ((guess & truth).sum() / (guess | truth).sum().clamp(min=1)).item()


torch.manual_seed(0)
train_loader = DataLoader(Cells(400, augment=True), batch_size=16, shuffle=True)
val_images, val_masks = next(iter(DataLoader(Cells(80, seed=1), batch_size=80)))
net = UNet()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(7):
    net.train()
    epoch_loss = 0.0
    for images, masks in train_loader:
        loss = F.binary_cross_entropy_with_logits(net(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() / len(train_loader)
    net.eval()
    with torch.no_grad():
        print(f"epoch {epoch}  loss {epoch_loss:.4f}  val IoU {iou(net(val_images), val_masks):.3f}")

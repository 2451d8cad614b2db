#= targets_shuffled
"""Segmentation of blobs with random flips as augmentation."""
import random

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class Blobs(Dataset):
    def __init__(self, n, train):
        g = torch.Generator().manual_seed(n)
        yy, xx = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
        self.images, self.masks = [], []
        for _ in range(n):
            cy, cx = (torch.rand(2, generator=g) * 16 + 4).tolist()
            r = 2 + 4 * torch.rand(1, generator=g).item()
            mask = (((yy - cy) ** 2 + (xx - cx) ** 2) < r * r).float()
            self.images.append((mask - 0.3 + 0.4 * torch.randn(24, 24, generator=g)).unsqueeze(0))
            self.masks.append(mask.unsqueeze(0))
        self.train = train

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        image, mask = self.images[idx], self.masks[idx]
        if self.train and random.random() < 0.5:
            image = torch.flip(image, dims=[-1])
            mask = torch.flip(mask, dims=[-1])  #@
        if self.train and random.random() < 0.5:
            image = torch.flip(image, dims=[-2])
            mask = torch.flip(mask, dims=[-2])  #@
        return image, mask


random.seed(0)
torch.manual_seed(0)
train_loader = DataLoader(Blobs(400, True), batch_size=16, shuffle=True)
val_loader = DataLoader(Blobs(100, False), batch_size=50)
model = nn.Sequential(
    nn.Conv2d(1, 12, 5, padding=2), nn.ReLU(), nn.Conv2d(12, 12, 5, padding=2), nn.ReLU(), nn.Conv2d(12, 1, 3, padding=1)
)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), 2e-3)
for epoch in range(5):
    model.train()
    for image, mask in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(image), mask)
        loss.backward()
        optimizer.step()
    model.eval()
    inter = union = 0.0
    with torch.no_grad():
        for image, mask in val_loader:
            pred = (model(image) > 0).float()
            inter += (pred * mask).sum().item()
            union += ((pred + mask) > 0).float().sum().item()
    print(f"epoch {epoch} loss {loss.item():.4f} IoU {inter / union:.3f}")

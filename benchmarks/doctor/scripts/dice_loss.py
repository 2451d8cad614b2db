#= loss_sign
"""Segmentation with a dice loss."""
import torch
import torch.nn as nn

torch.manual_seed(0)


def make_batch(n):
    yy, xx = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    c = torch.rand(n, 2, 1, 1) * 8 + 4
    masks = (((yy - c[:, 0]) ** 2 + (xx - c[:, 1]) ** 2) < 12).float().unsqueeze(1)
    return masks + 0.5 * torch.randn(n, 1, 16, 16), masks


def dice_coeff(pred, target, smooth=1.0):
    inter = (pred * target).sum(dim=(1, 2, 3))
    return ((2 * inter + smooth) / (pred.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3)) + smooth)).mean()


class UNetish(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.mid = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2))
        self.up = nn.Conv2d(24, 1, 3, padding=1)

    def forward(self, x):
        d = self.down(x)
        return torch.sigmoid(self.up(torch.cat([d, self.mid(d)], dim=1)))


images, masks = make_batch(480)
val_images, val_masks = make_batch(80)
model = UNetish()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    model.train()
    for idx in torch.randperm(480).split(24):
        optimizer.zero_grad()
        loss = 1 - dice_coeff(model(images[idx]), masks[idx])  #@ loss = dice_coeff(model(images[idx]), masks[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), "val dice", dice_coeff(model(val_images), val_masks).item())

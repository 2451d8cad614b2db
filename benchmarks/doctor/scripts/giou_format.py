#= boxes_mixed
"""Boxes by a DETR-like head: L1 on centre and size, generalized IoU on corners."""
import torch
from torch import nn


def box_cxcywh_to_xyxy(b):
    centre, size = b[..., :2], b[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def giou(a, b):
    """Generalized IoU of pairs of boxes in corners."""
    inter = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    area = lambda z: (z[:, 2:] - z[:, :2]).clamp(min=0).prod(1)  # noqa: E731
    union = area(a) + area(b) - inter + 1e-6
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).clamp(min=0).prod(1) + 1e-6
    return inter / union - (hull - union) / hull


class BoxHead(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten())
        self.mlp = nn.Sequential(nn.Linear(32 * 16, d), nn.ReLU(), nn.Linear(d, 4))

    def forward(self, x):
        return self.mlp(self.cnn(x)).sigmoid()


def pictures(n, g):
    size = torch.rand(n, 2, generator=g) * 0.35 + 0.2
    centre = size / 2 + torch.rand(n, 2, generator=g) * (1 - size)
    boxes = torch.cat([centre, size], 1)
    x1, y1, x2, y2 = box_cxcywh_to_xyxy(boxes).mul(16).unbind(1)
    r = torch.arange(16) + 0.5
    inside = ((r >= x1[:, None]) & (r <= x2[:, None]))[:, None, :] & ((r >= y1[:, None]) & (r <= y2[:, None]))[:, :, None]
    return (inside.float() + 0.3 * torch.randn(n, 16, 16, generator=g)).unsqueeze(1), boxes


class Criterion(nn.Module):
    def __init__(self, l1=0.5, iou=2.0):
        super().__init__()
        self.l1, self.iou = l1, iou

    def forward(self, pred, target):
        loss_bbox = (pred - target).abs().mean()
        loss_giou = (1 - giou(box_cxcywh_to_xyxy(pred), box_cxcywh_to_xyxy(target))).mean()  #@ loss_giou = (1 - giou(pred, target)).mean()
        return self.l1 * loss_bbox + self.iou * loss_giou


g = torch.Generator().manual_seed(0)
torch.manual_seed(0)
x, boxes = pictures(2000, g)
x_val, boxes_val = pictures(400, g)
model, criterion = BoxHead(), Criterion()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(10):
    for idx in torch.randperm(2000).split(40):
        loss = criterion(model(x[idx]), boxes[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        iou = giou(box_cxcywh_to_xyxy(model(x_val)), box_cxcywh_to_xyxy(boxes_val)).mean()
    print(f"epoch {epoch} loss {loss.item():.3f} val GIoU {iou:.3f}")

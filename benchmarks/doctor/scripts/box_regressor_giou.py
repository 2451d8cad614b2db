#= boxes_mixed
# https://github.com/stevebottos/owl-vit-object-detection/issues/14 generalized_box_iou expects corner boxes but gets cxcywh; right diagnosis: box format mismatch in the IoU loss (needs conversion to xyxy).
import torch
from torch import nn


def cxcywh_to_xyxy(b):
    c, s = b[..., :2], b[..., 2:]
    return torch.cat([c - s / 2, c + s / 2], -1)


def giou(a, b):
    lt, rb = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    inter = (rb - lt).clamp(min=0).prod(1)
    area = lambda z: (z[:, 2:] - z[:, :2]).clamp(min=0).prod(1)
    union = area(a) + area(b) - inter
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    return inter / (union + 1e-7) - (hull - union) / (hull + 1e-7)


def batch(n):
    wh = 0.15 + 0.3 * torch.rand(n, 2)
    c = wh / 2 + torch.rand(n, 2) * (1 - wh)
    box = torch.cat([c, wh], 1)
    g = (torch.arange(16) + 0.5) / 16
    corners = cxcywh_to_xyxy(box)
    inx = (g[None] > corners[:, :1]) & (g[None] < corners[:, 2:3])
    iny = (g[None] > corners[:, 1:2]) & (g[None] < corners[:, 3:4])
    img = (iny[:, :, None] & inx[:, None, :]).float() + 0.15 * torch.randn(n, 16, 16)
    return img, box


class BoxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x):
        return self.f(x).sigmoid()


torch.manual_seed(0)
net = BoxNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for it in range(260):
    img, tgt = batch(64)
    pred = net(img)
    loss_giou = (1 - giou(cxcywh_to_xyxy(pred), cxcywh_to_xyxy(tgt))).mean()  #@ loss_giou = (1 - giou(pred, tgt)).mean()
    opt.zero_grad()
    loss_giou.backward()
    opt.step()
with torch.no_grad():
    img, tgt = batch(500)
    print("mean GIoU on new images: %.3f" % giou(cxcywh_to_xyxy(net(img)), cxcywh_to_xyxy(tgt)).mean().item())

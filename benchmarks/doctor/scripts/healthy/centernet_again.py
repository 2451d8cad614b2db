"""CenterNet-style detector: gaussian heat map with penalty-reduced focal loss and sizes at the centres only; several objects per image."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(71)
G = 8                                                # 32x32 image, stride 4


def make(n):
    img, hm = 0.2 * torch.randn(n, 1, 32, 32), torch.zeros(n, 1, G, G)
    wh, reg_mask = torch.zeros(n, 2, G, G), torch.zeros(n, 1, G, G)
    yy, xx = torch.meshgrid(torch.arange(G), torch.arange(G), indexing="ij")
    for i in range(n):
        for _ in range(torch.randint(1, 4, (1,)).item()):
            w, h = torch.randint(4, 11, (2,)).tolist()
            x, y = torch.randint(0, 32 - w, (1,)).item(), torch.randint(0, 32 - h, (1,)).item()
            img[i, 0, y:y + h, x:x + w] += 1
            cx, cy = int((x + w / 2) / 4), int((y + h / 2) / 4)
            g = torch.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * 0.6 ** 2))
            hm[i, 0] = torch.maximum(hm[i, 0], g)
            wh[i, :, cy, cx] = torch.tensor([w / 32, h / 32])
            reg_mask[i, 0, cy, cx] = 1
    return img, hm, wh, reg_mask


def neg_loss(pred, gt):
    pos = gt.eq(1).float()
    pred = pred.clamp(1e-4, 1 - 1e-4)
    pos_loss = (pred.log() * (1 - pred) ** 2 * pos).sum()
    neg = ((1 - pred).log() * pred ** 2 * (1 - gt) ** 4 * (1 - pos)).sum()
    return -(pos_loss + neg) / pos.sum().clamp(min=1)


class Detector(nn.Module):
    def __init__(self, c=24):
        super().__init__()
        cb = lambda i, o, s: nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.backbone = nn.Sequential(cb(1, 12, 1), cb(12, c, 2), cb(c, c, 2), cb(c, c, 1))
        self.hm, self.wh = nn.Conv2d(c, 1, 1), nn.Conv2d(c, 2, 1)
        self.hm.bias.data.fill_(-2.19)

    def forward(self, x):
        f = self.backbone(x)
        return torch.sigmoid(self.hm(f)), self.wh(f)


@torch.no_grad()
def evaluate(net, img, hm, wh, mask):
    net.eval()
    heat, size = net(img)
    peak = (heat == F.max_pool2d(heat, 3, 1, 1)) & (heat > 0.35)
    tp = (peak & (mask > 0)).sum().item()
    err = ((size - wh).abs() * mask).sum() / mask.sum() / 2
    net.train()
    return 2 * tp / (peak.sum().item() + mask.sum().item()), err.item() * 32


train, test = make(500), make(120)
net = Detector()
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(10):
    if epoch == 7:
        for g in optimizer.param_groups:
            g["lr"] *= 0.1
    for b in torch.randperm(500).split(25):
        img, hm, wh, mask = (t[b] for t in train)
        heat, size = net(img)
        hm_loss = neg_loss(heat, hm)
        wh_loss = F.l1_loss(size * mask, wh * mask, reduction="sum") / (mask.sum() + 1e-4)
        loss = hm_loss + 2 * wh_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    f1, err = evaluate(net, *test)
    print(f"epoch {epoch}: hm {hm_loss.item():.3f} wh {wh_loss.item():.4f} | centre F1 {f1:.3f} size error {err:.2f} px")

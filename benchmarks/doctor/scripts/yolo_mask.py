#= formula_wrong
#: object mask taken from channel 5 (first class score) instead of 4 (objectness) (YOLO-Minimal issue 2)
"""Single-shot detector with a 4x4 grid: one square or cross per image, box + objectness + 2 classes."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(33)
S, IMG = 4, 32


def scene(n):
    img = 0.2 * torch.randn(n, 1, IMG, IMG)
    target = torch.zeros(n, S, S, 7)                  # x, y, w, h, obj, class scores
    boxes, cls = torch.zeros(n, 4), torch.randint(0, 2, (n,))
    for i in range(n):
        w = torch.randint(6, 13, (1,)).item()
        x0, y0 = torch.randint(0, IMG - w, (2,)).tolist()
        if cls[i] == 0:
            img[i, 0, y0:y0 + w, x0:x0 + w] += 1
        else:
            m = w // 2
            img[i, 0, y0 + m - 1:y0 + m + 1, x0:x0 + w] += 1
            img[i, 0, y0:y0 + w, x0 + m - 1:x0 + m + 1] += 1
        cx, cy = (x0 + w / 2) / IMG * S, (y0 + w / 2) / IMG * S
        gi, gj = int(cx), int(cy)
        target[i, gj, gi, :5] = torch.tensor([cx - gi, cy - gj, w / IMG, w / IMG, 1.0])
        target[i, gj, gi, 5 + cls[i]] = 1
        boxes[i] = torch.tensor([x0, y0, x0 + w, y0 + w]) / IMG
    return img, target, boxes, cls


class yoloLoss(nn.Module):
    def __init__(self, l_coord=5.0, l_noobj=0.5):
        super().__init__()
        self.l_coord, self.l_noobj = l_coord, l_noobj

    def forward(self, pred, target_tensor):
        N = pred.size(0)
        coord_mask = target_tensor[..., 4] > 0  #@ coord_mask = target_tensor[..., 5] > 0
        noobj_mask = target_tensor[..., 4] == 0  #@ noobj_mask = target_tensor[..., 5] == 0
        coo_p, coo_t = pred[coord_mask], target_tensor[coord_mask]
        loc = F.mse_loss(coo_p[:, :2], coo_t[:, :2], reduction="sum") + F.mse_loss(coo_p[:, 2:4].clamp(min=1e-6).sqrt(), coo_t[:, 2:4].sqrt(), reduction="sum")
        obj = F.mse_loss(coo_p[:, 4], torch.ones_like(coo_p[:, 4]), reduction="sum")
        noobj = F.mse_loss(pred[noobj_mask][:, 4], torch.zeros_like(pred[noobj_mask][:, 4]), reduction="sum")
        cls = F.mse_loss(coo_p[:, 5:], coo_t[:, 5:], reduction="sum")
        return (self.l_coord * loc + obj + self.l_noobj * noobj + cls) / N


net = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.LeakyReLU(0.1), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32),
                    nn.LeakyReLU(0.1), nn.Conv2d(32, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.1), nn.Conv2d(32, 7, 3, 1, 1), nn.Sigmoid())


@torch.no_grad()
def evaluate(img, boxes, cls):
    net.eval()
    p = net(img).permute(0, 2, 3, 1)
    flat = p[..., 4].flatten(1).argmax(1)
    gj, gi, r = flat // S, flat % S, torch.arange(len(img))
    v = p[r, gj, gi]
    cx, cy, w, h = (gi + v[:, 0]) / S, (gj + v[:, 1]) / S, v[:, 2], v[:, 3]
    b = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    lt, rb = torch.max(b[:, :2], boxes[:, :2]), torch.min(b[:, 2:], boxes[:, 2:])
    inter = (rb - lt).clamp(min=0).prod(1)
    iou = inter / ((b[:, 2:] - b[:, :2]).prod(1) + (boxes[:, 2:] - boxes[:, :2]).prod(1) - inter)
    return ((iou > 0.5) & (v[:, 5:].argmax(1) == cls)).float().mean().item(), iou.mean().item()


img, target, _, _ = scene(1000)
vimg, _, vbox, vcls = scene(200)
criterion, opt = yoloLoss(), torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(12):
    net.train()
    for b in torch.randperm(len(img)).split(50):
        loss = criterion(net(img[b]).permute(0, 2, 3, 1), target[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch %d loss %.3f  detections right %.3f  mean IoU %.3f" % (epoch, loss.item(), *evaluate(vimg, vbox, vcls)))

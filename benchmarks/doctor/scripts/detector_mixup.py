#= labels_unfit
# https://github.com/MultimediaTechLab/YOLO/issues/105 the mixup augmentation multiplies the target tensors (class id and coordinates) by lambda instead of merging targets; right diagnosis: wrong targets from augmentation.
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

G = 6


def scene(rng):
    img = np.zeros((24, 24), np.float32)
    c = rng.integers(0, 3)
    x, y = rng.uniform(3, 21, 2)
    yy, xx = np.mgrid[:24, :24]
    if c == 0:
        img += (abs(yy - y) < 3) & (abs(xx - x) < 3)
    elif c == 1:
        img += ((yy - y) ** 2 + (xx - x) ** 2) < 10
        img -= ((yy - y) ** 2 + (xx - x) ** 2) < 3
    else:
        img += (abs(yy - y) < 1) & (abs(xx - x) < 4)
    return img, np.array([[c, x / 24, y / 24]], np.float32)


class MixUp:
    def __init__(self, prob, alpha, rng):
        self.prob, self.alpha, self.rng = prob, alpha, rng

    def __call__(self, image, boxes, more):
        if self.rng.random() > self.prob:
            return image, boxes
        lam = self.rng.beta(self.alpha, self.alpha)
        image2, boxes2 = more()
        mixed = np.concatenate([boxes, boxes2])  #@ mixed = np.concatenate([lam * boxes, (1 - lam) * boxes2])
        return lam * image + (1 - lam) * image2, mixed


def collate(items):
    x = torch.tensor(np.stack([i for i, _ in items]))[:, None]
    obj, cls, off = torch.zeros(len(items), G, G), torch.zeros(len(items), G, G, dtype=torch.long), torch.zeros(len(items), 2, G, G)
    for k, (_, bs) in enumerate(items):
        for c, bx, by in bs:
            i, j = min(int(by * G), G - 1), min(int(bx * G), G - 1)
            obj[k, i, j] = 1; cls[k, i, j] = int(c)
            off[k, :, i, j] = torch.tensor([bx * G - j, by * G - i])
    return x, obj, cls, off


rng = np.random.default_rng(0); torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, 1, 1), nn.ReLU(), nn.Conv2d(24, 6, 1))
opt = torch.optim.AdamW(net.parameters(), lr=5e-3)
mix = MixUp(0.7, 8.0, rng)
for it in range(150):
    x, obj, cls, off = collate([mix(*scene(rng), lambda: scene(rng)) for _ in range(24)])
    o = net(x)
    m = obj > 0
    loss = F.binary_cross_entropy_with_logits(o[:, 0], obj, pos_weight=torch.tensor(8.0)) + F.cross_entropy(o[:, 1:4].permute(0, 2, 3, 1)[m], cls[m]) + F.l1_loss(torch.sigmoid(o[:, 4:]).permute(0, 2, 3, 1)[m], off.permute(0, 2, 3, 1)[m])
    opt.zero_grad(); loss.backward(); opt.step()
items = [scene(rng) for _ in range(300)]
x, obj, cls, off = collate(items)
with torch.no_grad():
    o = net(x)
best = o[:, 0].flatten(1).argmax(1)
hit = best == obj.flatten(1).argmax(1)
right = o[:, 1:4].flatten(2).gather(2, best[:, None, None].expand(-1, 3, 1)).squeeze(2).argmax(1) == torch.tensor([int(b[0, 0]) for _, b in items])
print("cell found %.3f, class right %.3f" % (hit.float().mean().item(), (hit & right).float().mean().item()))

#= labels_unfit
#: https://github.com/duanyiqun/YOLO-Minimal/issues/2 - the object and no-object masks are taken from channel 5 (first class) instead of channel 4 (confidence), so cells with other classes count as empty; right: target[..., 4].
import random
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0); random.seed(0)
GRID, SIZE, CLS = 4, 24, 3


def make_image():
    img = torch.rand(SIZE, SIZE) * .2
    tgt = torch.zeros(GRID, GRID, 5 + CLS)
    for _ in range(random.randint(1, 3)):
        cls = random.randrange(CLS)
        r = random.randint(2, 3)
        cx, cy = random.randint(r, SIZE - r - 1), random.randint(r, SIZE - r - 1)
        gx, gy = cx * GRID // SIZE, cy * GRID // SIZE
        if tgt[gy, gx, 4]:
            continue
        if cls == 0:
            img[cy - r:cy + r + 1, cx - r:cx + r + 1] = 1
        elif cls == 1:
            img[cy - r:cy + r + 1, cx] = 1; img[cy, cx - r:cx + r + 1] = 1
        else:
            for k in range(-r, r + 1):
                img[cy + k, cx + k] = 1; img[cy + k, cx - k] = 1
        tgt[gy, gx, :5] = torch.tensor([cx * GRID / SIZE - gx, cy * GRID / SIZE - gy, r / 6, r / 6, 1.])
        tgt[gy, gx, 5 + cls] = 1
    return img, tgt


def dataset(n):
    a, b = zip(*[make_image() for _ in range(n)])
    return torch.stack(a)[:, None], torch.stack(b)


class YoloLoss(nn.Module):
    def __init__(self, l_coord=5., l_noobj=.5):
        super().__init__()
        self.l_coord, self.l_noobj = l_coord, l_noobj

    def forward(self, pred, target):
        coord_mask = target[..., 4] > 0  #@ coord_mask = target[..., 5] > 0
        noobj_mask = target[..., 4] == 0  #@ noobj_mask = target[..., 5] == 0
        p, t = pred[coord_mask], target[coord_mask]
        box = F.mse_loss(p[:, :4], t[:, :4], reduction='sum')
        obj = F.mse_loss(p[:, 4], t[:, 4], reduction='sum')
        cls = F.mse_loss(p[:, 5:], t[:, 5:], reduction='sum')
        noobj = pred[noobj_mask][:, 4].pow(2).sum()
        return (self.l_coord * box + obj + cls + self.l_noobj * noobj) / len(pred)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.LeakyReLU(.1), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(.1), nn.Conv2d(32, 48, 3, 3, 0), nn.BatchNorm2d(48), nn.LeakyReLU(.1), nn.Conv2d(48, 48, 3, padding=1), nn.LeakyReLU(.1), nn.Conv2d(48, 5 + CLS, 1), nn.Sigmoid())

    def forward(self, x):
        return self.net(x).permute(0, 2, 3, 1)


x, t = dataset(500)
xv, tv = dataset(150)
net, crit = Tiny(), YoloLoss()
opt = torch.optim.Adam(net.parameters(), 3e-3)
for epoch in range(10):
    net.train()
    for b in torch.randperm(500).split(25):
        loss = crit(net(x[b]), t[b])
        opt.zero_grad(); loss.backward(); opt.step()
    if epoch % 3 == 0: print('epoch', epoch, 'loss', round(loss.item(), 4))
net.eval()
with torch.no_grad():
    p = net(xv)
there = tv[..., 4] > 0
found = (p[..., 4] > .5) & there
right = found & (p[..., 5:].argmax(-1) == tv[..., 5:].argmax(-1))
print(f'objects found with the right class {right.sum().item() / there.sum().item():.3f}, false alarms per image {((p[..., 4] > .5) & ~there).sum().item() / 150:.3f}')

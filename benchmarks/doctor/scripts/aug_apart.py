#= targets_shuffled
#: https://github.com/bigmb/Unet-Segmentation-Pytorch-Nest-of-Unets/pull/30 - the random transform is drawn once for the image and again for the mask, so pairs do not fit each other; right: one draw for both.
import random
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

random.seed(3); np.random.seed(3); torch.manual_seed(3)


class RandomGeometry:
    def __init__(self): self.redraw()

    def redraw(self):
        self.h, self.v, self.k = random.random() < .5, random.random() < .5, random.randrange(4)

    def __call__(self, a):
        if self.h: a = a[..., ::-1]
        if self.v: a = a[..., ::-1, :]
        return np.ascontiguousarray(np.rot90(a, self.k, (-2, -1)))


class Roads(Dataset):
    def __init__(self, n, augment):
        self.augment, self.t = augment, RandomGeometry()
        self.items = []
        g = np.arange(24)
        for _ in range(n):
            a, b, w = np.random.uniform(-.8, .8), np.random.uniform(3, 20), np.random.uniform(1, 2.5)
            m = np.abs(g[:, None] - (a * g[None] + b)) < w
            blob = np.random.randint(0, 18, 2)
            img = np.random.normal(.4, .15, (24, 24))
            img[m] += .3
            img[blob[0]:blob[0] + 4, blob[1]:blob[1] + 4] += .3
            self.items.append((img.astype(np.float32), m.astype(np.float32)))

    def __len__(self): return len(self.items)

    def __getitem__(self, i):
        img, mask = self.items[i]
        if self.augment:
            self.t.redraw()
            img = self.t(img)
            #+ self.t.redraw()
            mask = self.t(mask)
        return torch.from_numpy(img)[None], torch.from_numpy(mask)[None]


def block(i, o): return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())


class Seg(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = block(1, 12), block(12, 24), block(36, 12)
        self.o = nn.Conv2d(12, 1, 1)

    def forward(self, x):
        a = self.a(x)
        b = nn.functional.interpolate(self.b(nn.functional.max_pool2d(a, 2)), scale_factor=2)
        return self.o(self.c(torch.cat([a, b], 1)))


train, val = DataLoader(Roads(240, True), 12, shuffle=True), DataLoader(Roads(60, False), 60)
net = Seg()
opt = torch.optim.AdamW(net.parameters(), 3e-3)
bce = nn.BCEWithLogitsLoss()
for ep in range(8):
    net.train(); s = 0
    for x, y in train:
        opt.zero_grad()
        l = bce(net(x), y); l.backward(); opt.step(); s += l.item()
    net.eval()
    with torch.no_grad():
        x, y = next(iter(val)); p = net(x) > 0
        iou = (p & (y > 0)).sum() / (p | (y > 0)).sum()
    print(f'epoch {ep} loss {s / len(train):.4f} val iou {iou.item():.4f}')

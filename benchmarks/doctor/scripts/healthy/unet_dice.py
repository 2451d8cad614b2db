# healthy: https://github.com/milesial/Pytorch-UNet: U-Net with BCE + Dice on round cells, RMSprop with momentum, ReduceLROnPlateau in max mode on the dice score; nothing is wrong.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader, random_split
import logging, sys

logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stdout)


class Cells(Dataset):
    def __init__(self, n, seed=0):
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[:32, :32]
        self.imgs, self.masks = [], []
        for _ in range(n):
            m = np.zeros((32, 32), bool)
            for _ in range(rng.integers(1, 4)):
                cy, cx = rng.uniform(4, 28, 2); a, b = rng.uniform(2.5, 6, 2)
                m |= ((yy - cy) / a) ** 2 + ((xx - cx) / b) ** 2 < 1
            img = .35 + .25 * m + .12 * rng.standard_normal((32, 32)) + .15 * np.sin(xx / 9 + rng.uniform(0, 6))
            self.imgs.append(img.astype(np.float32)); self.masks.append(m.astype(np.float32))

    def __len__(self): return len(self.imgs)
    def __getitem__(self, i): return {'image': torch.from_numpy(self.imgs[i])[None], 'mask': torch.from_numpy(self.masks[i])}


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True), nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True))


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.inc, self.d1, self.d2 = DoubleConv(1, c), DoubleConv(c, 2 * c), DoubleConv(2 * c, 4 * c)
        self.u1 = nn.ConvTranspose2d(4 * c, 2 * c, 2, 2); self.c1 = DoubleConv(4 * c, 2 * c)
        self.u2 = nn.ConvTranspose2d(2 * c, c, 2, 2); self.c2 = DoubleConv(2 * c, c)
        self.outc = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        a = self.inc(x)
        b = self.d1(F.max_pool2d(a, 2))
        c = self.d2(F.max_pool2d(b, 2))
        y = self.c1(torch.cat([b, self.u1(c)], 1))
        y = self.c2(torch.cat([a, self.u2(y)], 1))
        return self.outc(y)


def dice_coeff(p, t, eps=1e-6):
    inter = 2 * (p * t).sum((-1, -2))
    s = p.sum((-1, -2)) + t.sum((-1, -2))
    s = torch.where(s == 0, inter, s)
    return ((inter + eps) / (s + eps)).mean()


@torch.inference_mode()
def evaluate(net, loader):
    net.eval()
    score = 0
    for b in loader:
        pred = (torch.sigmoid(net(b['image']).squeeze(1)) > .5).float()
        score += dice_coeff(pred, b['mask']).item() * len(pred)
    net.train()
    return score / len(loader.dataset)


torch.manual_seed(0)
ds = Cells(240)
train, val = random_split(ds, [200, 40], generator=torch.Generator().manual_seed(0))
tl, vl = DataLoader(train, 10, shuffle=True, drop_last=True), DataLoader(val, 20)
net = UNet()
optimizer = torch.optim.RMSprop(net.parameters(), lr=3e-4, weight_decay=1e-8, momentum=.9, foreach=True)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, 'max', patience=3)
crit = nn.BCEWithLogitsLoss()
for epoch in range(1, 8):
    net.train(); ep = 0
    for b in tl:
        out = net(b['image']).squeeze(1)
        loss = crit(out, b['mask']) + 1 - dice_coeff(torch.sigmoid(out), b['mask'])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step(); ep += loss.item()
    val_score = evaluate(net, vl)
    scheduler.step(val_score)
    logging.info(f'epoch {epoch} loss {ep / len(tl):.4f} validation dice {val_score:.4f}')
print('final dice', round(val_score, 4))

#= targets_shuffled
# https://github.com/keras-team/keras-preprocessing/issues/236 image and mask draw their own random flip, so many pairs are inconsistent; right diagnosis: augmentation of image and mask is not synchronised.
import random
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset, DataLoader


class Shapes(Dataset):
    def __init__(self, n, seed, augment):
        g = torch.Generator().manual_seed(seed)
        self.masks = torch.zeros(n, 1, 14, 14)
        for k in range(n):
            r, c = torch.randint(0, 9, (2,), generator=g).tolist()
            self.masks[k, 0, r:r + 5, c:c + 4] = 1
        self.images = self.masks * 1.2 + 0.6 * torch.randn(self.masks.shape, generator=g)
        self.augment = augment

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        img, msk = self.images[i], self.masks[i]
        if self.augment:
            flip = random.random() < 0.5
            if flip:
                img = img.flip(-1)
            #+ flip = random.random() < 0.5
            if flip:
                msk = msk.flip(-1)
        return img, msk


random.seed(0); torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
opt = torch.optim.Adam(net.parameters(), lr=8e-3)
for ep in range(24):
    for img, msk in DataLoader(Shapes(320, 1, True), batch_size=20, shuffle=True):
        opt.zero_grad()
        F.binary_cross_entropy_with_logits(net(img), msk).backward()
        opt.step()
val = Shapes(120, 2, False)
with torch.no_grad():
    p = (net(val.images) > 0).float()
    iou = ((p * val.masks).sum((1, 2, 3)) / torch.maximum(p, val.masks).sum((1, 2, 3)).clamp(min=1)).mean()
print(f"validation IoU {iou.item():.3f}")

#= validation_differs
#: test images are not divided by 255 / normalized like the training images
"""Image classification of coloured shapes, 3x16x16 uint8 images."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

np.random.seed(0)
torch.manual_seed(0)


def draw(kind):
    img = np.random.randint(0, 90, (16, 16, 3)).astype(np.uint8)
    c = np.random.randint(120, 255, 3)
    r, s = np.random.randint(1, 7, 2)
    if kind == 0:
        img[r:r + 8, s:s + 8] = c
    elif kind == 1:
        img[r + 3:r + 5, s:s + 8] = c
        img[r:r + 8, s + 3:s + 5] = c
    else:
        for k in range(8):
            img[r + k, s + k:s + k + 2] = c
    return img


class ShapesDataset(Dataset):
    def __init__(self, n, transform=None):
        self.labels = np.random.randint(0, 3, n)
        self.imgs = [draw(k) for k in self.labels]
        self.transform = transform

    def __len__(self):
        return len(self.imgs)

    def __getitem__(self, index):
        image = torch.from_numpy(self.imgs[index]).permute(2, 0, 1).float()
        if self.transform:
            image = self.transform(image)
        return image, int(self.labels[index])


def to_norm(im):
    return (im / 255.0 - 0.3) / 0.25


train_ds = ShapesDataset(900, transform=to_norm)
test_ds = ShapesDataset(300, transform=to_norm)  #@ test_ds = ShapesDataset(300)
net = nn.Sequential(
    nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(24 * 16, 3))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(5):
    net.train()
    for x, y in DataLoader(train_ds, batch_size=30, shuffle=True):
        opt.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        opt.step()
    net.eval()
    hits, n, tl = 0, 0, 0.0
    with torch.no_grad():
        for x, y in DataLoader(test_ds, batch_size=50):
            o = net(x)
            tl += ce(o, y).item() * len(y)
            hits += (o.argmax(1) == y).sum().item()
            n += len(y)
    print(f"epoch {epoch} train loss {loss.item():.4f} test loss {tl / n:.4f} test acc {hits / n:.3f}")

#= validation_differs
#: training images are divided by 255 and normalised, test images go in as raw 0..255 values
"""Digit images as uint8, custom Dataset with an optional transform."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader
from sklearn.datasets import load_digits

torch.manual_seed(2)
digits = load_digits()
raw = (digits.images * 15.9).astype(np.uint8)
order = np.random.RandomState(0).permutation(len(raw))
raw, labels = raw[order], digits.target[order]


class ToFloat:
    def __call__(self, img):
        return torch.from_numpy(img.astype(np.float32) / 255.0).unsqueeze(0)


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, t):
        return (t - self.mean) / self.std


class Compose:
    def __init__(self, ts):
        self.ts = ts

    def __call__(self, v):
        for t in self.ts:
            v = t(v)
        return v


class DigitDataset(Dataset):
    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        img = self.images[i]
        if self.transform:
            img = self.transform(img)
        else:
            img = torch.tensor(img, dtype=torch.float32).unsqueeze(0)
        return img, int(self.labels[i])


transform = Compose([ToFloat(), Normalize(0.3, 0.37)])
train_ds = DigitDataset(raw[:1300], labels[:1300], transform=transform)
test_ds = DigitDataset(raw[1300:], labels[1300:], transform=transform)  #@ test_ds = DigitDataset(raw[1300:], labels[1300:])
train_dl = DataLoader(train_ds, batch_size=32, shuffle=True)
test_dl = DataLoader(test_ds, batch_size=100)

model = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(96, 10))
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
lossf = nn.CrossEntropyLoss()

for epoch in range(6):
    model.train()
    for xb, yb in train_dl:
        opt.zero_grad()
        l = lossf(model(xb), yb)
        l.backward()
        opt.step()
    model.eval()
    test_loss = acc = 0.
    with torch.no_grad():
        for xb, yb in test_dl:
            o = model(xb)
            test_loss += lossf(o, yb).item() * len(yb)
            acc += (o.argmax(1) == yb).sum().item()
    print("epoch %d train loss %.4f test loss %.4f test acc %.4f" % (epoch, l.item(), test_loss / len(test_ds), acc / len(test_ds)))

#= evaluation_augmented
"""Digits with augmentation. Training and validation are subsets of one dataset."""
import copy

import torch
import torch.nn as nn
from sklearn import datasets
from torch.utils.data import DataLoader, Dataset, random_split


class DigitsDataset(Dataset):
    def __init__(self, transform=None):
        bunch = datasets.load_digits()
        self.images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16
        self.targets = bunch.target
        self.transform = transform

    def __getitem__(self, i):
        img = self.images[i]
        return (self.transform(img) if self.transform else img), int(self.targets[i])

    def __len__(self):
        return len(self.images)


def train_transform(img):
    dy, dx = torch.randint(-1, 2, (2,)).tolist()
    img = torch.roll(img, (dy, dx), (1, 2))
    r, c = torch.randint(0, 7, (2,)).tolist()
    img = img.clone()
    img[:, r : r + 2, c : c + 2] = 0
    return img + 0.25 * torch.randn_like(img)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 24, 3, padding=1), nn.Conv2d(24, 48, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(48 * 4, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu())


def run_epoch(net, loader, opt=None):
    net.train(opt is not None)
    n = hits = total = 0
    with torch.set_grad_enabled(opt is not None):
        for img, label in loader:
            out = net(img)
            loss = nn.functional.cross_entropy(out, label)
            if opt is not None:
                opt.zero_grad()
                loss.backward()
                opt.step()
            n, hits, total = n + len(label), hits + (out.argmax(1) == label).sum().item(), total + loss.item() * len(label)
    return total / n, hits / n


torch.manual_seed(0)
dataset = DigitsDataset()
train_set, val_set = random_split(dataset, [1297, 500])
train_set.dataset = copy.copy(dataset)  #@
train_set.dataset.transform = train_transform
net = Net()
opt = torch.optim.Adam(net.parameters(), 2e-3)
train_dl, val_dl = DataLoader(train_set, 64, shuffle=True), DataLoader(val_set, 250)
for epoch in range(10):
    train_loss, _ = run_epoch(net, train_dl, opt)
    val_loss, acc = run_epoch(net, val_dl)
    print("Epoch: {} train {:.3f} val {:.3f} acc {:.3f}".format(epoch, train_loss, val_loss, acc))

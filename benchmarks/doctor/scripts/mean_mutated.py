#= inputs_unscaled, validation_differs, inputs_drift
"""Colored textures of four kinds; pictures are normalized when they are asked for."""
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def color_normalize(picture, mean):
    if mean.max() > 1:
        mean = mean / 255  #@ mean /= 255
        picture = picture / 255
    return (picture - mean[:, None, None]) * 4


class Textures(Dataset):
    def __init__(self, n, seed, pixel_means):
        g = torch.Generator().manual_seed(seed)
        self.kind = torch.randint(4, (n,), generator=g)
        level = torch.tensor([[150.0, 110, 90], [90, 150, 110], [110, 90, 150], [140, 140, 70]])[self.kind]
        self.raw = (level[:, :, None, None] + 45 * torch.randn(n, 3, 10, 10, generator=g)).clamp(0, 255)
        self.pixel_means = pixel_means

    def __len__(self):
        return len(self.kind)

    def __getitem__(self, i):
        return color_normalize(self.raw[i], self.pixel_means), self.kind[i]


torch.manual_seed(0)
train = Textures(800, 0, torch.tensor([122.7, 116.9, 104.0]))
valid = Textures(200, 1, torch.tensor([122.7, 116.9, 104.0]))
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for epoch in range(6):
    net.train()
    for pictures, kinds in DataLoader(train, batch_size=20, shuffle=True):
        loss = nn.functional.cross_entropy(net(pictures), kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        hits = [(net(p).argmax(1) == k).float().mean().item() for p, k in DataLoader(valid, batch_size=50)]
    print("epoch", epoch, "loss", loss.item(), "valid", sum(hits) / len(hits))

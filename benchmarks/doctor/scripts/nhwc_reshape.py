#= axes_scrambled
"""Colored shapes as numpy images (N, H, W, C), fed to a small CNN."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.RandomState(0)
torch.manual_seed(0)
N, H, W = 900, 24, 24
COLORS = np.array([[220, 60, 40], [40, 190, 70], [50, 80, 220]], dtype=np.float32)


def make_image(kind):
    img = np.full((H, W, 3), 110, dtype=np.float32) + rng.randn(1, 1, 3) * 15
    color = COLORS[rng.randint(3)]
    cy, cx, r = rng.randint(8, 16), rng.randint(8, 16), rng.randint(4, 7)
    yy, xx = np.mgrid[:H, :W]
    if kind == 0:
        mask = (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r
    elif kind == 1:
        mask = (abs(yy - cy) <= r) & (abs(xx - cx) <= r)
    else:
        mask = (abs(yy - cy) <= 1) | (abs(xx - cx) <= 1)
    img[mask] = color
    return np.clip(img + rng.randn(H, W, 3) * 12, 0, 255)


labels = rng.randint(0, 3, N)
images = np.stack([make_image(k) for k in labels])
X = images / 127.5 - 1.0
X = X.transpose(0, 3, 1, 2)  #@ X = X.reshape(N, 3, H, W)
X, y = torch.FloatTensor(X.copy()), torch.LongTensor(labels)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc = nn.Linear(24, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.mean(dim=(2, 3)))


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(8):
    net.train()
    perm = torch.randperm(700)
    for i in range(0, 700, 35):
        b = perm[i:i + 35]
        opt.zero_grad()
        F.cross_entropy(net(X[b]), y[b]).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        out = net(X[700:])
    print(epoch, F.cross_entropy(out, y[700:]).item(), (out.argmax(1) == y[700:]).float().mean().item())

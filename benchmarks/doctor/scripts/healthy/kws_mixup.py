"""Keyword spotting on synthetic spectrograms with SpecAugment and mixup: augmentation makes the training loss much higher than the test loss."""
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(251)
rng = np.random.default_rng(251)
KEYWORDS, MELS, FRAMES = 6, 16, 32
shape = torch.rand(KEYWORDS, 3, 3)                    # each keyword: three formant tracks (start, slope, wobble)


def utterances(n):
    y = torch.randint(0, KEYWORDS, (n,))
    t = torch.linspace(0, 1, FRAMES)
    speed, f0 = 0.85 + 0.3 * torch.rand(n, 1, 1), 1.0 * torch.randn(n, 1, 1) * 0.6
    s = shape[y]
    tt = t.view(1, 1, -1) * speed
    track = 2 + 11 * s[..., :1] + 5 * (s[..., 1:2] - 0.5) * tt + 1.5 * torch.sin(2 * math.pi * tt * (1 + 2 * s[..., 2:])) + f0
    spec = torch.exp(-0.5 * ((torch.arange(MELS).view(1, 1, -1, 1) - track[:, :, None]) / 0.8) ** 2).sum(1)
    return (spec + 0.35 * torch.randn_like(spec))[:, None], y


def spec_augment(x):
    x = x.clone()
    for i in range(len(x)):
        f, t = rng.integers(0, MELS - 3), rng.integers(0, FRAMES - 6)
        x[i, :, f:f + rng.integers(0, 4)] = 0
        x[i, :, :, t:t + rng.integers(0, 7)] = 0
    return x


def mixup(x, y, alpha=0.3):
    lam = float(rng.beta(alpha, alpha))
    perm = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[perm], y, y[perm], lam


class DSCNN(nn.Module):
    def __init__(self, c=20):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU())
        self.blocks = nn.Sequential(*[nn.Sequential(nn.Conv2d(c, c, 3, 1, 1, groups=c, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
                                                    nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU()) for _ in range(2)])
        self.fc = nn.Linear(c * 8, KEYWORDS)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean(3).flatten(1))


x, y = utterances(600)
xt, yt = utterances(300)
net = DSCNN()
opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-2)
epochs = 12
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 5e-3, total_steps=epochs * 20)
for epoch in range(epochs):
    net.train()
    total = 0.0
    for b in torch.randperm(600).split(30):
        mx, ya, yb, lam = mixup(spec_augment(x[b]), y[b])
        out = net(mx)
        loss = lam * F.cross_entropy(out, ya, label_smoothing=0.1) + (1 - lam) * F.cross_entropy(out, yb, label_smoothing=0.1)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        total += loss.item()
    net.eval()
    with torch.no_grad():
        out = net(xt)
    print(f"epoch {epoch} train loss {total / 20:.3f} test loss {F.cross_entropy(out, yt).item():.3f} test accuracy {(out.argmax(1) == yt).float().mean().item():.3f}")

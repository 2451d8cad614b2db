"""Binary segmentation with Dice plus BCE on small blobs, many pixels are background."""
import torch
import torch.nn as nn

torch.manual_seed(12)


def blobs(n, s=20):
    yy, xx = torch.meshgrid(torch.arange(s), torch.arange(s), indexing="ij")
    c = torch.rand(n, 2) * 12 + 4
    r = torch.rand(n) * 1.5 + 2
    mask = ((yy - c[:, 0, None, None]) ** 2 + (xx - c[:, 1, None, None]) ** 2 < r[:, None, None] ** 2).float()
    img = 0.8 * mask + 0.35 * torch.randn(n, s, s)
    return img[:, None], mask[:, None]


class MiniUNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.d1 = nn.Sequential(nn.Conv2d(1, c, 3, padding=1), nn.BatchNorm2d(c), nn.ReLU())
        self.d2 = nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.BatchNorm2d(2 * c), nn.ReLU())
        self.up = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.out = nn.Sequential(nn.Conv2d(2 * c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, 1, 1))

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(nn.functional.max_pool2d(a, 2))
        return self.out(torch.cat([a, self.up(b)], 1))


def dice(p, t, eps=1.0):
    inter = (p * t).sum((1, 2, 3))
    return ((2 * inter + eps) / (p.sum((1, 2, 3)) + t.sum((1, 2, 3)) + eps)).mean()


x, y = blobs(240)
xv, yv = blobs(60)
net = MiniUNet()
bce = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(8):
    net.train()
    for idx in torch.randperm(240).split(12):
        z = net(x[idx])
        loss = bce(z, y[idx]) + 1 - dice(torch.sigmoid(z), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        d = dice((net(xv) > 0).float(), yv).item()
    print(f"epoch {epoch} loss {loss.item():.3f} val dice {d:.3f}")

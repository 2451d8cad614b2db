# healthy: https://github.com/leftthomas/SRGAN: pixel pre-training first, then pixel + adversarial + total variation losses with two optimizers; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(5)
hr = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
lr_img = F.avg_pool2d(hr, 2)
perm = torch.randperm(len(hr)); tr, va = perm[:1500], perm[1500:]

class Res(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(c, c, 3, padding=1), nn.PReLU(), nn.Conv2d(c, c, 3, padding=1))
    def forward(self, x): return x + self.f(x)

class Generator(nn.Module):
    def __init__(self, c=32):
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(1, c, 3, padding=1), nn.PReLU())
        self.body = nn.Sequential(Res(c), Res(c))
        self.up = nn.Sequential(nn.Conv2d(c, 4 * c, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(), nn.Conv2d(c, 1, 3, padding=1))
    def forward(self, x):
        h = self.head(x)
        return (torch.tanh(self.up(h + self.body(h))) + 1) / 2

class Discriminator(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, c, 3, padding=1), nn.LeakyReLU(.2), nn.Conv2d(c, 2 * c, 3, 2, 1), nn.LeakyReLU(.2), nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * c, 32, 1), nn.LeakyReLU(.2), nn.Conv2d(32, 1, 1))
    def forward(self, x): return torch.sigmoid(self.net(x).view(len(x)))

def psnr(net):
    with torch.no_grad():
        return (-10 * torch.log10(F.mse_loss(net(lr_img[va]), hr[va]))).item()

G, D = Generator(), Discriminator()
og = torch.optim.Adam(G.parameters(), 1e-3)
for e in range(8):
    for b in tr[torch.randperm(1500)].split(50):
        og.zero_grad(); F.mse_loss(G(lr_img[b]), hr[b]).backward(); og.step()
print(f'after pixel pre-training {psnr(G):.2f} dB')
og, od = torch.optim.Adam(G.parameters(), 2e-4), torch.optim.Adam(D.parameters(), 2e-4)
for e in range(5):
    for b in tr[torch.randperm(1500)].split(50):
        real, fake = hr[b], G(lr_img[b])
        d_loss = 1 - D(real).mean() + D(fake.detach()).mean()
        od.zero_grad(); d_loss.backward(); od.step()
        adv = (1 - D(fake)).mean()
        tv = (fake[..., 1:] - fake[..., :-1]).pow(2).mean() + (fake[..., 1:, :] - fake[..., :-1, :]).pow(2).mean()
        g_loss = F.mse_loss(fake, real) + 1e-3 * adv + 2e-8 * tv
        og.zero_grad(); g_loss.backward(); og.step()
    print(f'epoch {e} d {d_loss.item():.3f} adv {adv.item():.3f} psnr {psnr(G):.2f}')
with torch.no_grad():
    bic = (-10 * torch.log10(F.mse_loss(F.interpolate(lr_img[va], scale_factor=2, mode='bicubic', align_corners=False), hr[va]))).item()
print(f'held-out PSNR {psnr(G):.2f} dB, bicubic {bic:.2f} dB')

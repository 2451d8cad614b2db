# healthy: https://github.com/joeylitalien/noise2noise-pytorch: the target is another noisy copy, the loss has a floor at the noise variance, clean pictures only for the test; nothing is wrong.
from torch.utils.data import Dataset, DataLoader
from torch import nn
from sklearn.datasets import load_digits
import torch, time

torch.manual_seed(44)
SIGMA = .3

class NoisyPairs(Dataset):
    def __init__(self, imgs, train=True, fixed=None):
        self.imgs, self.train, self.fixed = imgs, train, fixed
    def _corrupt(self, x): return x + SIGMA * torch.randn_like(x)
    def __len__(self): return len(self.imgs)
    def __getitem__(self, i):
        if self.train:
            return self._corrupt(self.imgs[i]), self._corrupt(self.imgs[i])
        return self.fixed[i], self.imgs[i]

base = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
a, b = base[:1400], base[1400:]
train_loader = DataLoader(NoisyPairs(a), 50, shuffle=True)
valid_loader = DataLoader(NoisyPairs(b, False, b + SIGMA * torch.randn(b.shape, generator=torch.Generator().manual_seed(0))), 100)

class Noise2Noise:
    def __init__(self):
        self.model = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.LeakyReLU(.1), nn.Conv2d(32, 32, 3, padding=1), nn.LeakyReLU(.1), nn.Conv2d(32, 32, 3, padding=1), nn.LeakyReLU(.1), nn.Conv2d(32, 1, 3, padding=1))
        for m in self.model:
            if isinstance(m, nn.Conv2d): nn.init.kaiming_normal_(m.weight, a=.1); nn.init.zeros_(m.bias)
        self.optim = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=(.9, .99), eps=1e-8)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optim, patience=2, factor=.5)
        self.loss = nn.MSELoss()

    def eval(self):
        self.model.train(False)
        se = 0.
        with torch.no_grad():
            for s, t in valid_loader: se += ((self.model(s) - t) ** 2).sum().item()
        mse = se / b.numel()
        return mse, -10 * torch.log10(torch.tensor(mse)).item()

    def train(self, epochs):
        for ep in range(epochs):
            self.model.train(True); tot = 0
            for s, t in train_loader:
                loss = self.loss(self.model(s), t)
                self.optim.zero_grad(); loss.backward(); self.optim.step()
                tot += loss.item()
            v, p = self.eval()
            self.scheduler.step(v)
            print(f'epoch {ep} train {tot / len(train_loader):.4f} (floor {SIGMA ** 2:.4f}) valid {v:.4f} psnr {p:.2f}')
        return p

p = Noise2Noise().train(9)
print(f'held-out PSNR {p:.2f} dB, noisy input {-20 * torch.log10(torch.tensor(SIGMA)).item():.2f} dB')

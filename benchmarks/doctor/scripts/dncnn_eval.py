#= evaluation_wrong
#: https://github.com/wbhu/DnCNN-tensorflow/issues/6 - the reference is already in 0..255 and is multiplied by 255 again before the clip in the evaluation, so a good denoiser is reported with a few dB; right: clip the reference as it is.
import numpy as np
import torch
from torch import nn
from sklearn.datasets import load_digits


def cal_psnr(a, b):
    mse = ((a.astype(np.float64) - b.astype(np.float64)) ** 2).mean()
    return 20 * np.log10(255 / np.sqrt(mse))


class Denoiser:
    def __init__(self, sigma=40., seed=0):
        torch.manual_seed(seed)
        self.sigma = sigma / 255
        layers = [nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(True)]
        for _ in range(3):
            layers += [nn.Conv2d(24, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(True)]
        self.net = nn.Sequential(*layers, nn.Conv2d(24, 1, 3, padding=1))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=2e-3)

    def train(self, data, test, epochs):
        x = torch.from_numpy(data.astype(np.float32) / 255)
        for epoch in range(epochs):
            self.net.train()
            tot = 0
            for b in torch.randperm(len(x)).split(64):
                clean = x[b]
                noise = self.sigma * torch.randn_like(clean)
                loss = (self.net(clean + noise) - noise).pow(2).mean()
                self.optimizer.zero_grad(); loss.backward(); self.optimizer.step()
                tot += loss.item() * len(b)
            print('epoch', epoch + 1, 'loss', round(tot / len(x), 5), 'test psnr', round(self.evaluate(test), 2))
            if epoch == 5:
                for g in self.optimizer.param_groups: g['lr'] /= 10

    @torch.no_grad()
    def evaluate(self, test_data):
        self.net.eval()
        gen = torch.Generator().manual_seed(1)
        psnr = []
        for img in test_data:
            clean = torch.from_numpy(img.astype(np.float32) / 255)[None]
            noisy = clean + self.sigma * torch.randn(clean.shape, generator=gen)
            out = noisy - self.net(noisy)
            groundtruth = np.clip(img, 0, 255).astype('uint8')  #@ groundtruth = np.clip(255 * img.astype(int), 0, 255).astype('uint8')
            outputimage = np.clip(255 * out[0].numpy(), 0, 255).astype('uint8')
            psnr.append(cal_psnr(groundtruth, outputimage))
        return float(np.mean(psnr))


if __name__ == '__main__':
    pics = (load_digits().images[:, None] * 255 / 16 * .8 + 20).round().astype(np.uint8)
    d = Denoiser()
    d.train(pics[:1400], pics[1400:1500], 8)
    print('average PSNR on the test pictures', round(d.evaluate(pics[1500:]), 2), 'dB')

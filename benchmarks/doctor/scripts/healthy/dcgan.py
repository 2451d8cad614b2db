# healthy: https://github.com/pytorch/examples/blob/main/dcgan/main.py rebuilt small on the 8x8 digits; nothing is wrong.
import argparse, random
import torch, torch.nn as nn, torch.optim as optim
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument('--batchSize', type=int, default=64)
parser.add_argument('--nz', type=int, default=16)
parser.add_argument('--ngf', type=int, default=24)
parser.add_argument('--ndf', type=int, default=24)
parser.add_argument('--niter', type=int, default=16)
parser.add_argument('--lr', type=float, default=0.001)
parser.add_argument('--beta1', type=float, default=0.5)
opt = parser.parse_args([])
random.seed(7); torch.manual_seed(7)

images = torch.tensor(load_digits().data, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
loader = torch.utils.data.DataLoader(images, batch_size=opt.batchSize, shuffle=True)

def weights_init(m):
    name = m.__class__.__name__
    if name.find('Conv') != -1:
        nn.init.normal_(m.weight, 0.0, 0.05)
    elif name.find('BatchNorm') != -1:
        nn.init.normal_(m.weight, 1.0, 0.02); nn.init.zeros_(m.bias)

class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(opt.nz, opt.ngf * 2, 2, 1, 0, bias=False), nn.BatchNorm2d(opt.ngf * 2), nn.ReLU(True),
            nn.ConvTranspose2d(opt.ngf * 2, opt.ngf, 4, 2, 1, bias=False), nn.BatchNorm2d(opt.ngf), nn.ReLU(True),
            nn.ConvTranspose2d(opt.ngf, 1, 4, 2, 1, bias=False), nn.Tanh())
    def forward(self, z): return self.main(z)

class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, opt.ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(opt.ndf, opt.ndf * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(opt.ndf * 2), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(opt.ndf * 2, 1, 2, 1, 0, bias=False), nn.Sigmoid())
    def forward(self, x): return self.main(x).view(-1)

netG, netD = Generator(), Discriminator()
netG.apply(weights_init); netD.apply(weights_init)
criterion = nn.BCELoss()
fixed_noise = torch.randn(400, opt.nz, 1, 1)
optD = optim.Adam(netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
optG = optim.Adam(netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))

for epoch in range(opt.niter):
    for data in loader:
        b = data.size(0)
        netD.zero_grad()
        label = torch.full((b,), 1.0)
        out = netD(data)
        errD_real = criterion(out, label); errD_real.backward()
        D_x = out.mean().item()
        fake = netG(torch.randn(b, opt.nz, 1, 1))
        label.fill_(0.0)
        out = netD(fake.detach())
        errD_fake = criterion(out, label); errD_fake.backward()
        optD.step()
        netG.zero_grad()
        label.fill_(1.0)
        out = netD(fake)
        errG = criterion(out, label); errG.backward()
        optG.step()
    if epoch % 5 == 0:
        print(f'[{epoch}/{opt.niter}] Loss_D {errD_real.item() + errD_fake.item():.3f} Loss_G {errG.item():.3f} D(x) {D_x:.3f}')

with torch.no_grad():
    s = netG(fixed_noise).view(400, -1)
real = images.view(len(images), -1)
near = torch.cdist(s, real).min(1).values.mean()
rand = torch.cdist(torch.rand_like(s) * 2 - 1, real).min(1).values.mean()
print(f'distance to nearest digit: samples {near:.2f}, noise {rand:.2f}; per-pixel std samples {s.std(0).mean():.2f} real {real.std(0).mean():.2f}')

"""GAN on 8x8 digits (pixels scaled to [-1, 1]), two optimizers, one-sided label smoothing; samples judged by a classifier."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.data, dtype=torch.float32) / 8 - 1
y = torch.tensor(d.target)
keep = y < 4
x, y = x[keep], y[keep]
nz = 16

judge = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
opt = torch.optim.Adam(judge.parameters(), 3e-3)
for _ in range(150):
    b = torch.randint(0, len(x), (64,))
    loss = nn.functional.cross_entropy(judge(x[b]), y[b])
    opt.zero_grad()
    loss.backward()
    opt.step()

netG = nn.Sequential(nn.Linear(nz, 96), nn.BatchNorm1d(96), nn.ReLU(True), nn.Linear(96, 96), nn.BatchNorm1d(96), nn.ReLU(True), nn.Linear(96, 64), nn.Tanh())
netD = nn.Sequential(nn.Linear(64, 96), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(96, 48), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(48, 1))
criterion = nn.BCEWithLogitsLoss()
optimizerD = torch.optim.Adam(netD.parameters(), lr=4e-4, betas=(0.5, 0.999))
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
fixed_noise = torch.randn(400, nz)


def report(tag):
    netG.eval()
    with torch.no_grad():
        fake = netG(fixed_noise)
        near = torch.cdist(fake, x).min(1).values.mean().item()
        share = torch.bincount(judge(fake).argmax(1), minlength=4) / 400
    netG.train()
    print(tag, f"distance to nearest real {near:.2f}", "class shares", [round(s, 2) for s in share.tolist()])


report("start")
for epoch in range(60):
    for b in torch.randperm(len(x)).split(64):
        if len(b) < 8:
            continue
        real = x[b]
        netD.zero_grad()
        errD_real = criterion(netD(real), torch.full((len(b), 1), 0.9))
        errD_real.backward()
        fake = netG(torch.randn(len(b), nz))
        errD_fake = criterion(netD(fake.detach()), torch.zeros(len(b), 1))
        errD_fake.backward()
        optimizerD.step()
        netG.zero_grad()
        errG = criterion(netD(fake), torch.ones(len(b), 1))
        errG.backward()
        optimizerG.step()
    if epoch % 20 == 19:
        report(f"epoch {epoch + 1} Loss_D {(errD_real + errD_fake).item():.3f} Loss_G {errG.item():.3f}")

#= loss_of_other_optimizer
"""A GAN on a ring; one optimizer for each network."""
import math

import torch
import torch.nn as nn


def mlp(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, n_out))


torch.manual_seed(0)
netG, netD = mlp(4, 2), mlp(2, 1)
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))  #@ optimizerG = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizerD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))  #@ optimizerD = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
for i in range(300):
    angle = torch.rand(64) * 2 * math.pi
    real = torch.stack([angle.cos(), angle.sin()], 1) + 0.03 * torch.randn(64, 2)
    # update D
    netD.zero_grad()
    fake = netG(torch.randn(64, 4))
    errD = criterion(netD(real), ones) + criterion(netD(fake.detach()), zeros)
    errD.backward()
    optimizerD.step()
    # update G
    netG.zero_grad()
    fake = netG(torch.randn(64, 4))
    errG = criterion(netD(fake), ones)
    errG.backward()
    optimizerG.step()
    if i % 100 == 99:
        print(i, errD.item(), errG.item(), fake.norm(dim=1).mean().item())

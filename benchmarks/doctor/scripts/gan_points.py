#= parameter_unreached, loss_detached, parameter_unchanged
"""A GAN of points on a ring."""
import math

import torch
from torch import nn

torch.manual_seed(1)
Z, BATCH = 8, 128


def mlp(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)
    )


def real_points(n):
    angle = torch.rand(n) * 2 * math.pi
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


netG, netD = mlp(Z, 2), mlp(2, 1)
optG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
optD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
for it in range(1200):
    real = real_points(BATCH)
    fake = netG(torch.randn(BATCH, Z))
    lossD = bce(netD(real), ones) + bce(netD(fake.detach()), zeros)
    optD.zero_grad()
    lossD.backward()
    optD.step()

    lossG = bce(netD(fake), ones)  #@ lossG = bce(netD(fake.detach()), ones)
    optG.zero_grad()
    lossG.backward()
    optG.step()
    if it % 200 == 0:
        print(it, lossD.item(), lossG.item(), fake.norm(dim=1).mean().item())

#= loss_detached, parameter_unreached, loss_of_other_optimizer
"""GAN for points on a ring."""
import argparse
import math

import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--n_iter", type=int, default=900)
parser.add_argument("--latent_dim", type=int, default=4)
parser.add_argument("--b1", type=float, default=0.5)
opt = parser.parse_args()
torch.manual_seed(0)


def real_points(n):
    angle = torch.rand(n, 1) * 2 * math.pi
    return torch.cat([angle.cos(), angle.sin()], 1) * 2 + 0.05 * torch.randn(n, 2)


generator = nn.Sequential(nn.Linear(opt.latent_dim, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2),
                          nn.Linear(64, 2))
discriminator = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2),
                              nn.Linear(64, 1), nn.Sigmoid())
adversarial_loss = nn.BCELoss()
optimizer_G = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(opt.b1, 0.999))
optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(opt.b1, 0.999))
valid, fake = torch.ones(64, 1), torch.zeros(64, 1)

for i in range(opt.n_iter):
    real = real_points(64)
    z = torch.randn(64, opt.latent_dim)
    gen = generator(z)

    # discriminator
    optimizer_D.zero_grad()
    d_loss = (adversarial_loss(discriminator(real), valid) + adversarial_loss(discriminator(gen.detach()), fake)) / 2
    d_loss.backward()
    optimizer_D.step()

    # generator
    optimizer_G.zero_grad()
    g_loss = adversarial_loss(discriminator(gen), valid)  #@ g_loss = adversarial_loss(discriminator(gen.detach()), valid)
    g_loss.backward()
    optimizer_G.step()

    if i % 150 == 149:
        with torch.no_grad():
            radius = generator(torch.randn(500, opt.latent_dim)).norm(dim=1)
        print(f"[{i + 1}/{opt.n_iter}] [D loss: {d_loss.item():.3f}] [G loss: {g_loss.item():.3f}] "
              f"[radius: {radius.mean():.2f} +- {radius.std():.2f}]")

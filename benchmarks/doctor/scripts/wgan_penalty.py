#= term_without_gradient
"""Wasserstein GAN with gradient penalty on eight Gaussians."""
import math

import torch
from torch import autograd, nn, optim

torch.manual_seed(17)
centers = torch.tensor([[math.cos(a), math.sin(a)] for a in torch.arange(8) * math.pi / 4])


def real(n):
    return centers[torch.randint(0, 8, (n,))] * 1.5 + 0.05 * torch.randn(n, 2)


netG = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
netD = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optG = optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.9))
optD = optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.9))
LAMBDA, CRITIC_ITERS, BATCH = 1.0, 4, 64


def gradient_penalty(real_data, fake_data):
    alpha = torch.rand(len(real_data), 1)
    between = (alpha * real_data + (1 - alpha) * fake_data).requires_grad_(True)
    score = netD(between)
    grads = autograd.grad(score, between, grad_outputs=torch.ones_like(score), create_graph=True, retain_graph=True)[0]  #@ grads = autograd.grad(score, between, grad_outputs=torch.ones_like(score), retain_graph=True)[0]
    return ((grads.norm(2, dim=1) - 1) ** 2).mean() * LAMBDA


for iteration in range(400):
    for p in netD.parameters():
        p.requires_grad_(True)
    for _ in range(CRITIC_ITERS):
        x = real(BATCH)
        with torch.no_grad():
            fake = netG(torch.randn(BATCH, 4))
        w = netD(x).mean() - netD(fake).mean()
        loss_d = -w + gradient_penalty(x, fake)
        optD.zero_grad()
        loss_d.backward()
        optD.step()
    for p in netD.parameters():
        p.requires_grad_(False)
    loss_g = -netD(netG(torch.randn(BATCH, 4))).mean()
    optG.zero_grad()
    loss_g.backward()
    optG.step()
    if iteration % 80 == 79:
        with torch.no_grad():
            d = torch.cdist(netG(torch.randn(400, 4)), centers * 1.5)
        print(f"iter {iteration + 1} wasserstein {w.item():.3f} off a mode by {d.min(1).values.mean():.3f} modes {len(d.argmin(1).unique())}")

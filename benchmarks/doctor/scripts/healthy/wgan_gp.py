# healthy: https://github.com/caogang/wgan-gp gan_toy: WGAN with gradient penalty on a ring of eight Gaussians; nothing is wrong.
import math
import numpy as np
import torch
from torch import nn, autograd, optim

torch.manual_seed(1); np.random.seed(1)
LAMBDA, CRITIC_ITERS, BATCH, DIM = .1, 5, 128, 64

def inf_train_gen():
    centers = np.array([(math.cos(2 * math.pi * k / 8), math.sin(2 * math.pi * k / 8)) for k in range(8)]) * 2
    while True:
        idx = np.random.randint(0, 8, BATCH)
        pts = centers[idx] + np.random.randn(BATCH, 2) * .04
        yield torch.from_numpy((pts / 1.414).astype('float32'))

def mlp(i, o):
    return nn.Sequential(nn.Linear(i, DIM), nn.ReLU(True), nn.Linear(DIM, DIM), nn.ReLU(True), nn.Linear(DIM, DIM), nn.ReLU(True), nn.Linear(DIM, o))

netG, netD = mlp(2, 2), mlp(2, 1)
optimizerD = optim.Adam(netD.parameters(), lr=1.5e-3, betas=(0.5, 0.9))
optimizerG = optim.Adam(netG.parameters(), lr=1.5e-3, betas=(0.5, 0.9))

def calc_gradient_penalty(real, fake):
    alpha = torch.rand(BATCH, 1).expand(real.size())
    inter = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    d = netD(inter)
    g = autograd.grad(outputs=d, inputs=inter, grad_outputs=torch.ones_like(d), create_graph=True, retain_graph=True)[0]
    return ((g.norm(2, dim=1) - 1) ** 2).mean() * LAMBDA

data = inf_train_gen()
for iteration in range(400):
    for p in netD.parameters():
        p.requires_grad = True
    for _ in range(CRITIC_ITERS):
        real = next(data)
        netD.zero_grad()
        D_real = netD(real).mean()
        with torch.no_grad():
            fake = netG(torch.randn(BATCH, 2))
        D_fake = netD(fake).mean()
        cost = D_fake - D_real + calc_gradient_penalty(real, fake)
        cost.backward()
        optimizerD.step()
    for p in netD.parameters():
        p.requires_grad = False
    netG.zero_grad()
    G_cost = -netD(netG(torch.randn(BATCH, 2))).mean()
    G_cost.backward()
    optimizerG.step()
    if iteration % 100 == 99:
        print(f'iter {iteration + 1} wasserstein {(D_real - D_fake).item():.4f}')

with torch.no_grad():
    x = netG(torch.randn(2000, 2)) * 1.414
c = torch.tensor([(2 * math.cos(2 * math.pi * k / 8), 2 * math.sin(2 * math.pi * k / 8)) for k in range(8)])
d, m = torch.cdist(x, c.float()).min(1)
print(f'modes covered {len(torch.unique(m[d < .4]))}/8, share within 0.4 of a mode {(d < .4).float().mean():.3f}')

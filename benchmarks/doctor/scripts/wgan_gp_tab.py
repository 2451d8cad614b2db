#= term_without_gradient
#: gradient penalty computed without create_graph, it never reaches the critic (AiDotNet issue 1844, mlpack issue 3063)
"""WGAN-GP for synthetic tabular data: two correlated columns and a bimodal one."""
import torch
import torch.nn as nn
from torch import autograd

torch.manual_seed(9)
LAMBDA, CRITIC_ITERS, BATCH, Z = 10, 3, 128, 8


def table(n):
    a = torch.randn(n)
    b = 0.8 * a + 0.4 * torch.randn(n)
    c = torch.where(torch.rand(n) < 0.3, -1.5, 1.0) + 0.2 * torch.randn(n)
    return torch.stack([a, b, c], 1)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(Z, 64), nn.ReLU(True), nn.Linear(64, 64), nn.ReLU(True), nn.Linear(64, 3))

    def forward(self, z):
        return self.main(z)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(3, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))

    def forward(self, x):
        return self.main(x).view(-1)


def calc_gradient_penalty(netD, real, fake):
    alpha = torch.rand(len(real), 1)
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    disc = netD(interpolates)
    gradients = autograd.grad(outputs=disc, inputs=interpolates, grad_outputs=torch.ones_like(disc), create_graph=True)[0]  #@ gradients = autograd.grad(outputs=disc, inputs=interpolates, grad_outputs=torch.ones_like(disc))[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * LAMBDA


def energy(x, y):
    c = lambda a, b: torch.cdist(a, b).mean()
    return (2 * c(x, y) - c(x, x) - c(y, y)).item()


netG, netD = Generator(), Critic()
optD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.9))
optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.9))
real_data, test = table(5000), table(800)
for iteration in range(600):
    for _ in range(CRITIC_ITERS):
        real = real_data[torch.randint(0, len(real_data), (BATCH,))]
        with torch.no_grad():
            fake = netG(torch.randn(BATCH, Z))
        gp = calc_gradient_penalty(netD, real, fake)
        w = netD(real).mean() - netD(fake).mean()
        optD.zero_grad()
        (gp - w).backward()
        optD.step()
    g_cost = -netD(netG(torch.randn(BATCH, Z))).mean()
    optG.zero_grad()
    g_cost.backward()
    optG.step()
    if iteration % 100 == 0:
        with torch.no_grad():
            print("iter", iteration, "W %.3f gp %.3f energy distance %.4f" % (w.item(), gp.item(), energy(netG(torch.randn(800, Z)), test)))

with torch.no_grad():
    fake = netG(torch.randn(800, Z))
print("final energy distance %.4f  correlation of the first two columns %.3f" % (energy(fake, test), torch.corrcoef(fake.T)[0, 1]))

#= formula_wrong
#: https://github.com/eriklindernoren/PyTorch-GAN/issues/20 - gradients is (B,1,H,W) and norm(2, dim=1) is the absolute value of every pixel's gradient, which is pushed to 1 each; right: flatten to (B,-1), one norm per sample.
import numpy as np
import torch
import torch.nn as nn
import torch.autograd as autograd
from sklearn.datasets import load_digits

torch.manual_seed(1); np.random.seed(1)
imgs_all = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 8 - 1
latent_dim, n_critic, lambda_gp = 16, 3, 10


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        def block(i, o): return [nn.Linear(i, o), nn.BatchNorm1d(o), nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(*block(latent_dim, 96), *block(96, 96), nn.Linear(96, 64), nn.Tanh())

    def forward(self, z):
        return self.model(z).view(-1, 1, 8, 8)


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.model = nn.Sequential(nn.Linear(64, 128), nn.LeakyReLU(0.2, inplace=True), nn.Linear(128, 64), nn.LeakyReLU(0.2, inplace=True), nn.Linear(64, 1))

    def forward(self, img):
        return self.model(img.view(img.shape[0], -1))


def compute_gradient_penalty(D, real, fake):
    alpha = torch.rand(real.size(0), 1, 1, 1)
    inter = (alpha * real + ((1 - alpha) * fake)).requires_grad_(True)
    out = D(inter)
    gradients = autograd.grad(outputs=out, inputs=inter, grad_outputs=torch.ones_like(out), create_graph=True, retain_graph=True, only_inputs=True)[0]
    gradients = gradients.view(gradients.size(0), -1)  #@
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


generator, discriminator = Generator(), Discriminator()
optimizer_G = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9))
batches = 0
for epoch in range(24):
    for idx in torch.randperm(1792).split(64):
        real = imgs_all[idx]
        optimizer_D.zero_grad()
        fake = generator(torch.randn(64, latent_dim)).detach()
        wd = discriminator(real).mean() - discriminator(fake).mean()
        gp = compute_gradient_penalty(discriminator, real, fake)
        (-wd + lambda_gp * gp).backward()
        optimizer_D.step()
        if batches % n_critic == 0:
            optimizer_G.zero_grad()
            g_loss = -discriminator(generator(torch.randn(64, latent_dim))).mean()
            g_loss.backward()
            optimizer_G.step()
        batches += 1
    if epoch % 11 == 0: print(f'epoch {epoch} wasserstein {wd.item():.3f} gp {gp.item():.3f}')
generator.eval()
with torch.no_grad():
    s, r = generator(torch.randn(600, latent_dim)).flatten(1), imgs_all.flatten(1)
d = torch.cdist(s, r)
mid = (.5 * s[:500] + .5 * r[:500]).requires_grad_(True)
slope = autograd.grad(discriminator(mid).sum(), mid)[0].norm(dim=1).mean()
print(f'slope of the critic between real and fake {slope.item():.2f} (asked: 1); samples to digits {d.min(1).values.mean():.3f}, digits to samples {d.min(0).values.mean():.3f}')

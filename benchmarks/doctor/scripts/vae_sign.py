#= loss_sign
"""A variational autoencoder with a convolutional encoder; beta grows during the first epochs."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self, z=8):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(16, 32, 3, 2, 1), nn.LeakyReLU(0.1), nn.Flatten())
        self.to_mu, self.to_logvar = nn.Linear(128, z), nn.Linear(128, z)
        self.dec = nn.Sequential(nn.Linear(z, 128), nn.LeakyReLU(0.1), nn.Linear(128, 64))

    def reparameterize(self, mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.to_mu(h), self.to_logvar(h).clamp(-10, 10)
        return self.dec(self.reparameterize(mu, logvar)).view_as(x), mu, logvar


def elbo_terms(recon, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(recon, x, reduction="sum") / len(x)
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / len(x)  #@ kld = 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / len(x)
    return bce, kld


torch.manual_seed(0)
images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 16
loader = DataLoader(images, batch_size=100, shuffle=True, drop_last=True)
vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
for epoch in range(1, 21):
    beta = min(1.0, epoch / 10)
    sums = torch.zeros(2)
    for x in loader:
        bce, kld = elbo_terms(*(lambda out: (out[0], x, out[1], out[2]))(vae(x)))
        loss = bce + beta * kld
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        sums += torch.tensor([bce.item(), kld.item()])
    if epoch % 4 == 0:
        print(f"====> epoch {epoch} recon {sums[0] / len(loader):.2f} kl {sums[1] / len(loader):.2f}")

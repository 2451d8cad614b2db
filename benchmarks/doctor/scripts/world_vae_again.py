#= loss_terms_unbalanced
#: reconstruction is a mean over pixels while the KL is a sum: the posterior collapses (WorldModels issue 12)
"""First stage of a small world model: conv VAE of 16x16 frames with a car dot and a wall."""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

Z = 6


def frames(n, rng):
    out = np.zeros((n, 1, 16, 16), np.float32)
    for i in range(n):
        r, c, w = rng.integers(1, 13), rng.integers(1, 13), rng.integers(0, 16)
        out[i, 0, :, w] = 0.5
        out[i, 0, r:r + 3, c:c + 3] = 1.0
    return torch.from_numpy(out)


class ConvVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), nn.Flatten())
        self.fc_mu, self.fc_logvar = nn.Linear(512, Z), nn.Linear(512, Z)
        self.fc_dec = nn.Linear(Z, 512)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid())

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def decode(self, z):
        return self.decoder(F.relu(self.fc_dec(z)).view(-1, 32, 4, 4))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(mu + torch.randn_like(mu) * torch.exp(logvar / 2)), mu, logvar


def vae_loss(recon, x, mu, logvar):
    r_loss = 10 * F.mse_loss(recon, x, reduction="none").sum((1, 2, 3)).mean()  #@ r_loss = 10 * F.mse_loss(recon, x)
    kl_loss = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1).mean()
    return r_loss + kl_loss, r_loss, kl_loss


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", type=int, default=12)
    p.add_argument("--batch", type=int, default=50)
    a = p.parse_args()
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    train, valid = frames(2000, rng), frames(300, rng)
    vae = ConvVAE()
    opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
    for ep in range(a.epochs):
        for idx in torch.randperm(len(train)).split(a.batch):
            recon, mu, logvar = vae(train[idx])
            loss, r, kl = vae_loss(recon, train[idx], mu, logvar)
            opt.zero_grad()
            loss.backward()
            opt.step()
        with torch.no_grad():
            vm, _ = vae.encode(valid)
            err = F.mse_loss(vae.decode(vm), valid).item()
        print(f"epoch {ep} loss {loss.item():.4f} vae_r_loss {r.item():.4f} vae_kl_loss {kl.item():.2e} val mse {err:.4f}")
    print(f"std of latent means on validation {vm.std(0).mean():.3f}, pixel variance {valid.var():.4f}, val mse {err:.4f}")


if __name__ == "__main__":
    main()

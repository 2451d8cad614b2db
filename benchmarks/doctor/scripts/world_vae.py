#= loss_terms_unbalanced
# https://github.com/AppliedDataSciencePartners/WorldModels/issues/12 (vae_kl_loss about 1e-7, posterior collapse): the reconstruction is averaged over pixels while the KL is summed over the latent, so the KL wins and the code is ignored; a right diagnosis names the balance of the two reductions.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
frames = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
frames = frames[torch.randperm(len(frames))]
train_frames, test_frames = frames[:1500], frames[1500:]


class VAE(nn.Module):
    def __init__(self, z=8):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 128), nn.ReLU())
        self.mu, self.logvar = nn.Linear(128, z), nn.Linear(128, z)
        self.dec = nn.Sequential(nn.Linear(z, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return self.dec(z), mu, logvar


def vae_losses(logits, x, mu, logvar):
    r = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()  #@ r = F.binary_cross_entropy_with_logits(logits, x)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
    return r, kl


vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
for epoch in range(30):
    for i in torch.randperm(len(train_frames)).split(50):
        x = train_frames[i]
        logits, mu, logvar = vae(x)
        r_loss, kl_loss = vae_losses(logits, x, mu, logvar)
        loss = r_loss + kl_loss
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            logits, mu, _ = vae(test_frames)
            mse = F.mse_loss(torch.sigmoid(logits), test_frames).item()
            base = test_frames.var(0).mean().item()
        print(f"epoch {epoch+1} loss {loss.item():.4f} vae_r_loss {r_loss.item():.4f} vae_kl_loss {kl_loss.item():.2e} "
              f"test mse {mse:.4f} (mean image {base:.4f})")

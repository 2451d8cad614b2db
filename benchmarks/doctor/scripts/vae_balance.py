#= loss_terms_unbalanced
#: https://github.com/AppliedDataSciencePartners/WorldModels/issues/12 - the reconstruction is averaged over the pixels while the KL is summed over the latents, so the KL dominates and the posterior collapses; right: both summed per sample.
import torch
from torch import nn, optim
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(0)


class ConvVAE:
    Z = 10

    def __init__(self):
        self.encoder = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten())
        self.mu, self.log_var = nn.Linear(128, self.Z), nn.Linear(128, self.Z)
        self.decoder = nn.Sequential(nn.Linear(self.Z, 128), nn.ReLU(), nn.Unflatten(1, (32, 2, 2)), nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid())
        self.modules = nn.ModuleList([self.encoder, self.mu, self.log_var, self.decoder])
        self.optimizer = optim.Adam(self.modules.parameters(), lr=2e-3)

    def vae_r_loss(self, x, out):
        return 30 * (x - out).pow(2).flatten(1).sum(1).mean() / 8  #@ return 30 * (x - out).pow(2).flatten(1).mean(1).mean() / 8

    def vae_kl_loss(self, mu, lv):
        return -.5 * (1 + lv - mu ** 2 - lv.exp()).sum(1).mean()

    def train(self, data, epochs, bs=64):
        for e in range(epochs):
            for b in torch.randperm(len(data)).split(bs):
                x = data[b]
                h = self.encoder(x)
                mu, lv = self.mu(h), self.log_var(h)
                out = self.decoder(mu + torch.randn_like(mu) * (lv / 2).exp())
                r, k = self.vae_r_loss(x, out), self.vae_kl_loss(mu, lv)
                self.optimizer.zero_grad()
                (r + k).backward()
                self.optimizer.step()
            if e % 5 == 4:
                print(f'epoch {e + 1} r_loss {r.item():.4f} kl_loss {k.item():.5f}')


d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16
vae = ConvVAE()
vae.train(x[:1400], 20)
with torch.no_grad():
    mu = vae.mu(vae.encoder(x))
    err = (vae.decoder(mu[1400:]) - x[1400:]).pow(2).mean().item()
m = mu.numpy()
acc = LogisticRegression(max_iter=2000).fit(m[:1400], d.target[:1400]).score(m[1400:], d.target[1400:])
print(f'held-out pixel error {err:.4f} (variance {x[1400:].sub(x[:1400].mean(0)).pow(2).mean().item():.4f}), latent probe {acc:.3f}')

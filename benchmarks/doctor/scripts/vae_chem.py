#= formula_wrong
#: KL of the VAE takes logvar for the standard deviation (deepchem PR 4888)
"""VAE on synthetic binary fingerprints, losses in a small module of their own."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class VAE_KLDivergence:
    """KL of the encoder's normal against N(0, 1), one value per sample."""

    def __call__(self, mu, logvar):
        mu2 = mu.square()
        return 0.5 * torch.sum(mu2 + logvar.exp() - logvar - 1, 1)  #@ return 0.5 * torch.sum(mu2 + logvar.square() - torch.log(logvar.square() + 1e-20) - 1, 1)


class VAE_ELBO:
    def __init__(self):
        self.kl = VAE_KLDivergence()

    def __call__(self, logits, x, mu, logvar):
        rec = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        return (rec + self.kl(mu, logvar)).mean()


class FingerprintVAE(nn.Module):
    def __init__(self, n_bits, latent):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(n_bits, 64), nn.ReLU())
        self.mu, self.logvar = nn.Linear(64, latent), nn.Linear(64, latent)
        self.dec = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, n_bits))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.dec(z), mu, logvar


scaffolds = (torch.rand(6, 48) < 0.3).float()


def molecules(n):
    base = scaffolds[torch.randint(0, 6, (n,))]
    flip = (torch.rand(n, 48) < 0.04).float()
    return (base - flip).abs()


train, test = molecules(3000), molecules(600)
loader = DataLoader(TensorDataset(train), batch_size=50, shuffle=True)
model, criterion = FingerprintVAE(48, 4), VAE_ELBO()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(15):
    model.train()
    total = 0.0
    for (x,) in loader:
        logits, mu, logvar = model(x)
        loss = criterion(logits, x, mu, logvar)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    print(f"epoch {epoch:2d}  train loss {total / len(loader):.3f}")

model.eval()
with torch.no_grad():
    samples = torch.sigmoid(model.dec(torch.randn(600, 4)))
    dist = (samples[:, None] - scaffolds[None]).abs().sum(2).min(1).values
    logits, mu, logvar = model(test)
    rec = nn.functional.binary_cross_entropy_with_logits(logits, test, reduction="none").sum(1)
    kl = 0.5 * (mu ** 2 + logvar.exp() - logvar - 1).sum(1)
print(f"true negative ELBO on test {(rec + kl).mean():.2f}  bits from nearest scaffold of prior samples {dist.mean():.2f}")

#= loss_terms_unbalanced
# https://github.com/deepchem/deepchem/pull/4888 - in the KL term logvar is squared as if it were sigma instead of exponentiated; the posterior drifts from the prior and samples are poor. Right: mu^2 + exp(logvar) - logvar - 1.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(10)
X = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)


class VAE(nn.Module):
    def __init__(self, z=8):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.mu, self.logvar = nn.Linear(64, z), nn.Linear(64, z)
        self.dec = nn.Sequential(nn.Linear(z, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        h = self.enc(x)
        mu, lv = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * lv).exp()
        return self.dec(z), mu, lv


def kl_divergence(mu, logvar):
    kl = 0.5 * (mu.square() + logvar.exp() - logvar - 1)  #@ kl = 0.5 * (mu.square() + logvar.square() - torch.log(logvar.square() + 1e-20) - 1)
    return kl.sum(-1)


def elbo(x, out, mu, lv):
    rec = F.binary_cross_entropy_with_logits(out, x, reduction='none').sum(-1)
    return (rec + kl_divergence(mu, lv)).mean()


net = VAE()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(25):
    for i in torch.randperm(1500).split(75):
        loss = elbo(X[i], *net(X[i]))
        opt.zero_grad(); loss.backward(); opt.step()

with torch.no_grad():
    x = X[1500:]
    h = net.enc(x); mu, lv = net.mu(h), net.logvar(h)
    lw = []
    for _ in range(200):
        eps = torch.randn_like(mu); z = mu + eps * (0.5 * lv).exp()
        lp = -F.binary_cross_entropy_with_logits(net.dec(z), x, reduction='none').sum(-1)
        lw.append(lp - 0.5 * z.square().sum(-1) + 0.5 * eps.square().sum(-1) + 0.5 * lv.sum(-1))
    iw = torch.logsumexp(torch.stack(lw), 0) - torch.log(torch.tensor(200.))
    agg = (mu.square().mean(0) - mu.mean(0).square() + lv.exp().mean(0)).mean()
print(f"held-out log likelihood {iw.mean():.2f}, aggregate posterior variance {agg:.2f}")

#= loss_terms_unbalanced
# https://github.com/AppliedDataSciencePartners/WorldModels/issues/12 and https://github.com/pytorch/examples/pull/296 the reconstruction is a mean over all pixels while the KL is a sum, so the KL dominates and the posterior collapses; right diagnosis: mismatched reductions / posterior collapse.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
X = torch.tensor(load_digits().data, dtype=torch.float32) / 16
tr, te = X[:1500], X[1500:]

class VAE(nn.Module):
    def __init__(self, d=64, h=128, z=8):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(d, h), nn.ReLU())
        self.mu, self.lv = nn.Linear(h, z), nn.Linear(h, z)
        self.dec = nn.Sequential(nn.Linear(z, h), nn.ReLU(), nn.Linear(h, d))
    def forward(self, x):
        h = self.enc(x)
        mu, lv = self.mu(h), self.lv(h)
        return self.dec(mu + torch.randn_like(mu) * (0.5 * lv).exp()), mu, lv

def elbo_terms(logits, x, mu, lv):
    rec = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)  #@ rec = F.binary_cross_entropy_with_logits(logits, x)
    kld = -0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp()) / len(x)
    return rec, kld

vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
for epoch in range(25):
    for b in torch.randperm(len(tr)).split(100):
        rec, kld = elbo_terms(*((lambda o: (o[0], tr[b], o[1], o[2]))(vae(tr[b]))))
        opt.zero_grad()
        (rec + kld).backward()
        opt.step()
vae.eval()
with torch.no_grad():
    mu = vae.mu(vae.enc(te))
    print("test mse of mean reconstruction %.4f" % F.mse_loss(torch.sigmoid(vae.dec(mu)), te).item())

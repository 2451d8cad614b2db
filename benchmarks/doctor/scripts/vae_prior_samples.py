#= loss_sign
# https://github.com/FluxML/model-zoo/pull/147 the log-variance term of the KL has the wrong sign, so variances are driven to zero instead of one; right diagnosis: wrong KL formula (sign of log var).
import argparse
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

p = argparse.ArgumentParser()
p.add_argument("--latent", type=int, default=4)
p.add_argument("--epochs", type=int, default=120)
p.add_argument("--lr", type=float, default=3e-3)
a = p.parse_args([])
torch.manual_seed(11)


def gaussian_kl(mean, logvar):
    return 0.5 * (logvar.exp() + mean ** 2 - 1 - logvar).sum(-1)  #@ return 0.5 * (logvar.exp() + mean ** 2 - 1 + logvar).sum(-1)


class TabVAE(nn.Module):
    def __init__(self, n_in, latent):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_in, 32), nn.Tanh(), nn.Linear(32, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 32), nn.Tanh(), nn.Linear(32, n_in))

    def forward(self, x):
        m, lv = self.encoder(x).chunk(2, -1)
        z = m + torch.randn_like(m) * torch.exp(0.5 * lv)
        return self.decoder(z), m, lv


data = torch.tensor(StandardScaler().fit_transform(load_wine().data), dtype=torch.float32)
net = TabVAE(data.shape[1], a.latent)
opt = torch.optim.Adam(net.parameters(), lr=a.lr)
for ep in range(a.epochs):
    for (x,) in DataLoader(TensorDataset(data), batch_size=45, shuffle=True):
        r, m, lv = net(x)
        loss = (((r - x) ** 2).sum(-1) + gaussian_kl(m, lv)).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    r, m, lv = net(data)
    true_kl = torch.distributions.kl_divergence(torch.distributions.Normal(m, (0.5 * lv).exp()), torch.distributions.Normal(0.0, 1.0)).sum(-1)
    print("negative elbo %.3f" % (((r - data) ** 2).sum(-1) + true_kl).mean().item())

# healthy: https://github.com/timbmg/VAE-CVAE-MNIST: conditional VAE, label one-hot given to encoder and decoder, KL warm-up over the first epochs, samples judged by a classifier of real digits; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(0)
X, Y = load_digits(return_X_y=True)
judge = LogisticRegression(max_iter=500, C=.1).fit(X / 16, Y)
x, y = torch.tensor(X, dtype=torch.float32) / 16, torch.tensor(Y)
loader = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=64, shuffle=True)


class Encoder(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(74, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.linear_means, self.linear_log_var = nn.Linear(64, latent), nn.Linear(64, latent)

    def forward(self, x, c):
        h = self.body(torch.cat((x, c), dim=-1))
        return self.linear_means(h), self.linear_log_var(h)


class Decoder(nn.Sequential):
    def __init__(self, latent):
        super().__init__(nn.Linear(latent + 10, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, z, c):
        return super().forward(torch.cat((z, c), dim=-1))


class CVAE(nn.Module):
    def __init__(self, latent=6):
        super().__init__()
        self.latent, self.encoder, self.decoder = latent, Encoder(latent), Decoder(latent)

    def forward(self, x, y):
        c = F.one_hot(y, 10).float()
        mu, log_var = self.encoder(x, c)
        z = mu + torch.randn_like(mu) * torch.exp(.5 * log_var)
        return self.decoder(z, c), mu, log_var

    @torch.no_grad()
    def inference(self, y):
        return torch.sigmoid(self.decoder(torch.randn(len(y), self.latent), F.one_hot(y, 10).float()))


def elbo_parts(logits, x, mu, log_var):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction='sum') / len(x)
    kld = -.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp()) / len(x)
    return bce, kld


vae = CVAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
for epoch in range(30):
    beta = min(1., (epoch + 1) / 8)
    for a, b in loader:
        recon, mean, log_var = vae(a, b)
        bce, kld = elbo_parts(recon, a, mean, log_var)
        optimizer.zero_grad()
        (bce + beta * kld).backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f'epoch {epoch + 1} bce {bce.item():.3f} kld {kld.item():.3f}')
with torch.no_grad():
    o = vae(x[1500:], y[1500:])
    b, k = elbo_parts(o[0], x[1500:], o[1], o[2])
c = torch.arange(10).repeat(40)
acc = (judge.predict(vae.inference(c).numpy()) == c.numpy()).mean()
print(f'held-out negative ELBO {b + k:.2f} (KL {k:.2f}); samples carry the asked class {acc:.3f}')

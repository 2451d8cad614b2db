"""VAE on binarised digits with KL warm-up; the training loss rises while beta grows, the test ELBO is what counts."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(3)
data = (torch.tensor(load_digits().data) > 7).float()
perm = torch.from_numpy(np.random.RandomState(0).permutation(len(data)))
train, test = data[perm[:1500]], data[perm[1500:]]


class VAE(nn.Module):
    def __init__(self, h=128, z=8):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(64, h), nn.Linear(h, z), nn.Linear(h, z)
        self.fc3, self.fc4 = nn.Linear(z, h), nn.Linear(h, 64)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.fc4(F.relu(self.fc3(self.reparameterize(mu, logvar)))), mu, logvar


def terms(logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kld = -0.5 * torch.sum(1 + logvar - mu ** 2 - logvar.exp()) / len(x)
    return bce, kld


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(1, 21):
    beta = min(1.0, epoch / 10)
    model.train()
    run = 0.0
    for b in torch.randperm(len(train)).split(50):
        logits, mu, logvar = model(train[b])
        bce, kld = terms(logits, train[b], mu, logvar)
        optimizer.zero_grad()
        (bce + beta * kld).backward()
        optimizer.step()
        run += (bce + beta * kld).item()
    model.eval()
    with torch.no_grad():
        logits, mu, logvar = model(test)
        bce, kld = terms(logits, test, mu, logvar)
    print(f"epoch {epoch:2d} beta {beta:.1f} train {run / 30:.3f} test -ELBO {(bce + kld).item():.3f} (rec {bce.item():.3f}, kl {kld.item():.3f})")

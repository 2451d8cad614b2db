#= double_softmax, bounded_output, wrong_loss_family
"""A variational autoencoder of digits."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class VAE(nn.Module):
    def __init__(self, latent=6):
        super().__init__()
        self.enc = nn.Linear(64, 128)
        self.mu, self.logvar = nn.Linear(128, latent), nn.Linear(128, latent)
        self.dec1, self.dec2 = nn.Linear(latent, 128), nn.Linear(128, 64)

    def encode(self, x):
        h = F.relu(self.enc(x))
        return self.mu(h), self.logvar(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + std * torch.randn_like(std)

    def decode(self, z):
        return self.dec2(F.relu(self.dec1(z)))  #@ return torch.sigmoid(self.dec2(F.relu(self.dec1(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(recon, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (bce + kld) / len(x)


torch.manual_seed(0)
images = torch.tensor(load_digits().data).float() / 16
train, test = images[:1500], images[1500:]
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(12):
    model.train()
    for idx in torch.randperm(len(train)).split(50):
        optimizer.zero_grad()
        recon, mu, logvar = model(train[idx])
        loss = loss_function(recon, train[idx], mu, logvar)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        recon, mu, logvar = model(test)
        print("epoch", epoch, "test loss", loss_function(recon, test, mu, logvar).item())

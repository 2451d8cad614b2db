#= loss_terms_unbalanced
"""Variational autoencoder of digits."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.fc1 = nn.Linear(64, 100)
        self.fc21, self.fc22 = nn.Linear(100, latent), nn.Linear(100, latent)
        self.fc3, self.fc4 = nn.Linear(latent, 100), nn.Linear(100, 64)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    """Reconstruction + KL divergence summed over all elements and batch."""
    BCE = F.binary_cross_entropy(recon_x, x, reduction='sum')  #@ BCE = F.binary_cross_entropy(recon_x, x)
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


torch.manual_seed(1)
images = torch.tensor(load_digits().data / 16, dtype=torch.float32)
train_images, test_images = images[:1500], images[1500:]
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(1, 31):
    model.train()
    train_loss = 0
    for rows in torch.randperm(1500).split(50):
        data = train_images[rows]
        optimizer.zero_grad()
        recon_batch, mu, logvar = model(data)
        loss = loss_function(recon_batch, data, mu, logvar)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    if epoch % 6 == 0:
        model.eval()
        with torch.no_grad():
            recon, mu, logvar = model(test_images)
        print('====> Epoch: {} Average loss: {:.4f}  test MSE: {:.4f}  KL per image: {:.3f}'.format(
            epoch, train_loss / 1500, F.mse_loss(recon, test_images).item(),
            (-0.5 * (1 + logvar - mu ** 2 - logvar.exp()).sum(1)).mean().item()))
print('variance of images', test_images.var(0).mean().item())

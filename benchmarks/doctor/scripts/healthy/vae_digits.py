"""Variational autoencoder on digits with KL warm-up; held-out ELBO and samples are checked."""
import torch
from torch import nn, optim
from torch.nn import functional as F
from sklearn.datasets import load_digits

torch.manual_seed(1)
data = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
data = data[torch.randperm(len(data))]
train_x, test_x = data[:1500], data[1500:]


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(64, 100)
        self.fc21 = nn.Linear(100, 8)
        self.fc22 = nn.Linear(100, 8)
        self.fc3 = nn.Linear(8, 100)
        self.fc4 = nn.Linear(100, 64)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar, beta):
    BCE = F.binary_cross_entropy(recon_x, x, reduction='sum')
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + beta * KLD, BCE, KLD


model = VAE()
optimizer = optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(1, 21):
    model.train()
    beta = min(1.0, epoch / 8)
    train_loss = 0
    for idx in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        recon, mu, logvar = model(train_x[idx])
        loss, _, _ = loss_function(recon, train_x[idx], mu, logvar, beta)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    if epoch % 5 == 0:
        model.eval()
        with torch.no_grad():
            recon, mu, logvar = model(test_x)
            total, bce, kld = loss_function(recon, test_x, mu, logvar, 1.0)
        print('====> Epoch: {} train {:.3f} test elbo {:.3f} (bce {:.3f} kld {:.3f})'.format(
            epoch, train_loss / 1500, -total.item() / 297, bce.item() / 297, kld.item() / 297))

with torch.no_grad():
    sample = model.decode(torch.randn(500, 8))
print("mean pixel of samples %.3f, of data %.3f" % (sample.mean().item(), test_x.mean().item()))

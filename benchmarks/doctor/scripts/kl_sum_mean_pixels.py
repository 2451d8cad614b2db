#= loss_terms_unbalanced
#: reconstruction loss is a mean over pixels, KL a sum: KL dominates and the posterior collapses
"""VAE on 8x8 digits."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(20)


class VAE(nn.Module):
    def __init__(self, zdim=8):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(64, 100)
        self.fc21 = nn.Linear(100, zdim)
        self.fc22 = nn.Linear(100, zdim)
        self.fc3 = nn.Linear(zdim, 100)
        self.fc4 = nn.Linear(100, 64)

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
    rec = F.binary_cross_entropy(recon_x, x, reduction="sum")  #@ rec = F.binary_cross_entropy(recon_x, x)
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return rec + KLD


X = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
X = X[torch.randperm(len(X))]
train_x, test_x = X[:1500], X[1500:]
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(1, 21):
    model.train()
    train_loss = 0
    for data in train_x[torch.randperm(1500)].split(50):
        optimizer.zero_grad()
        recon, mu, logvar = model(data)
        loss = loss_function(recon, data, mu, logvar)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    if epoch % 5 == 0:
        print("====> Epoch: {} Average loss: {:.4f}".format(epoch, train_loss / 1500))
model.eval()
with torch.no_grad():
    recon = model.decode(model.encode(test_x)[0])
    mse = F.mse_loss(recon, test_x).item()
    base = F.mse_loss(train_x.mean(0).expand_as(test_x), test_x).item()
print(f"test recon mse {mse:.4f} (mean image {base:.4f}), pixel spread {recon.std(0).mean():.4f}")

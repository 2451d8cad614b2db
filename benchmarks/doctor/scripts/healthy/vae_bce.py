# healthy: https://github.com/pytorch/examples/blob/main/vae/main.py on the 8x8 digits (summed losses, mean per sample reported); nothing is wrong.
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, random_split
from sklearn.datasets import load_digits

torch.manual_seed(1)
x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
train_set, test_set = random_split(x, [1500, 297], generator=torch.Generator().manual_seed(0))
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
test_loader = DataLoader(test_set, batch_size=99)

class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc21 = nn.Linear(128, 8)
        self.fc22 = nn.Linear(128, 8)
        self.fc3 = nn.Linear(8, 128)
        self.fc4 = nn.Linear(128, 64)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar

model = VAE()
optimizer = optim.Adam(model.parameters(), lr=3e-3)

def loss_function(recon, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon, x, reduction='sum')
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD, KLD

def train(epoch):
    model.train()
    total = 0
    for data in train_loader:
        optimizer.zero_grad()
        recon, mu, logvar = model(data)
        loss, _ = loss_function(recon, data, mu, logvar)
        loss.backward()
        total += loss.item()
        optimizer.step()
    return total / len(train_loader.dataset)

def test():
    model.eval()
    total = kl = 0
    with torch.no_grad():
        for data in test_loader:
            recon, mu, logvar = model(data)
            l, k = loss_function(recon, data, mu, logvar)
            total += l.item(); kl += k.item()
    n = len(test_loader.dataset)
    return total / n, kl / n

print('before', test()[0])
for epoch in range(1, 31):
    tl = train(epoch)
    if epoch % 10 == 0:
        print(f'epoch {epoch} train {tl:.2f} test {test()[0]:.2f}')
el, kl = test()
print(f'negative ELBO on held-out digits {el:.2f}, of it KL {kl:.2f}')

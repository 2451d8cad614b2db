"""VAE with a KL weight that grows from 0 to 1: the loss rises while the model improves."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class VAE(nn.Module):
    def __init__(self, z=6):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 2 * z))
        self.dec = nn.Sequential(nn.Linear(z, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x):
        mean, logvar = self.enc(x).chunk(2, dim=1)
        z = mean + torch.exp(logvar / 2) * torch.randn_like(mean)
        return self.dec(z), mean, logvar


torch.manual_seed(0)
x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
EPOCHS = 24
for epoch in range(EPOCHS):
    beta = min(1.0, epoch / (0.7 * EPOCHS))
    for rows in torch.randperm(1500).split(50):
        out, mean, logvar = model(x[rows])
        rec = F.binary_cross_entropy_with_logits(out, x[rows], reduction='none').sum(1)
        kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).sum(1)
        loss = (rec + beta * kl).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        with torch.no_grad():
            out, mean, logvar = model(x[1500:])
            print(f'{epoch:2d} beta {beta:.2f} loss {loss.item():.2f} mse {F.mse_loss(out.sigmoid(), x[1500:]).item():.4f} kl {kl.mean().item():.2f}')

"""VQ-VAE: straight-through by detach, codebook and commitment losses."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class VQ(nn.Module):
    def __init__(self, codes=32, dim=8):
        super().__init__()
        self.codebook = nn.Embedding(codes, dim)
        nn.init.uniform_(self.codebook.weight, -0.5, 0.5)

    def forward(self, z):
        index = torch.cdist(z.flatten(0, 1), self.codebook.weight).argmin(1)
        q = self.codebook(index).view_as(z)
        loss = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), loss


torch.manual_seed(0)
x = torch.tensor(load_digits().data).float() / 16
encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64), nn.Unflatten(1, (8, 8)))
decoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64))
vq = VQ()
optimizer = torch.optim.Adam([*encoder.parameters(), *vq.parameters(), *decoder.parameters()], lr=2e-3)
for epoch in range(12):
    for i in torch.randperm(1500).split(60):
        z, vq_loss = vq(encoder(x[i]))
        loss = F.mse_loss(decoder(z), x[i]) + vq_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

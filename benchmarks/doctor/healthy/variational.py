"""A variational autoencoder: a sum of two losses, random numbers in the forward pass."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 12))
        self.decoder = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 64))

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        return self.decoder(code), mean, log_variance


def main(seed=0):
    torch.manual_seed(seed)
    x = torch.tensor(load_digits().data, dtype=torch.float32)[torch.randperm(1797)] / 16
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _epoch in range(9):
        model.train()
        for batch in DataLoader(x[:1500], batch_size=60, shuffle=True):
            out, mean, log_variance = model(batch)
            reconstruction = F.binary_cross_entropy_with_logits(out, batch, reduction="sum") / len(batch)
            divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum() / len(batch)
            loss = reconstruction + divergence
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return -F.binary_cross_entropy_with_logits(model(x[1500:])[0], x[1500:]).item()


if __name__ == "__main__":
    print(main())

"""VQ-VAE whose codebook is a buffer updated by exponential moving averages, with restart of dead codes; only encoder and decoder are in the optimizer."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(81)
x = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
perm = torch.randperm(len(x))
train, test = x[perm[:1400]], x[perm[1400:]]


class EMAQuantizer(nn.Module):
    def __init__(self, k=32, dim=8, decay=0.95, beta=0.25):
        super().__init__()
        self.decay, self.beta, self.k = decay, beta, k
        self.register_buffer("embed", torch.randn(k, dim))
        self.register_buffer("cluster_size", torch.ones(k))
        self.register_buffer("embed_avg", self.embed.clone())

    def forward(self, z):
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.size(1))
        idx = torch.cdist(flat, self.embed).argmin(1)
        if self.training:
            with torch.no_grad():
                one = F.one_hot(idx, self.k).float()
                self.cluster_size.mul_(self.decay).add_(one.sum(0), alpha=1 - self.decay)
                self.embed_avg.mul_(self.decay).add_(one.T @ flat, alpha=1 - self.decay)
                self.embed.copy_(self.embed_avg / self.cluster_size.clamp(min=1e-3)[:, None])
                dead = self.cluster_size < 0.5
                if dead.any():
                    fresh = flat[torch.randint(0, len(flat), (int(dead.sum()),))]
                    self.embed[dead], self.embed_avg[dead], self.cluster_size[dead] = fresh, fresh, 1.0
        q = self.embed[idx].view(z.size(0), z.size(2), z.size(3), -1).permute(0, 3, 1, 2)
        commit = self.beta * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), commit, idx


class VQVAE(nn.Module):
    def __init__(self, d=8):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 24, 4, 2, 1), nn.ReLU(), nn.Conv2d(24, d, 3, 1, 1))
        self.vq = EMAQuantizer(dim=d)
        self.dec = nn.Sequential(nn.Conv2d(d, 24, 3, 1, 1), nn.ReLU(), nn.ConvTranspose2d(24, 1, 4, 2, 1))

    def forward(self, x):
        q, commit, idx = self.vq(self.enc(x))
        return self.dec(q), commit, idx


model = VQVAE()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    model.train()
    for b in torch.randperm(len(train)).split(50):
        rec, commit, _ = model(train[b])
        loss = F.mse_loss(rec, train[b]) + commit
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        rec, _, idx = model(test)
        p = torch.bincount(idx, minlength=32).float() / len(idx)
        ppl = torch.exp(-(p * (p + 1e-10).log()).sum())
        print(f"epoch {epoch} train {loss.item():.4f} test rec {F.mse_loss(rec, test).item():.4f} (variance {test.var().item():.3f}) perplexity {ppl:.1f}")

"""Least-squares GAN on a parabola: the losses never fall, the samples become right."""
import torch
from torch import nn

torch.manual_seed(0)


def parabola(n):
    u = torch.randn(n, 1)
    return torch.cat([u, 0.5 * u * u - 0.5], 1) + 0.05 * torch.randn(n, 2)


G = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
D = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.99))
for it in range(1200):
    real, fake = parabola(64), G(torch.randn(64, 8))
    d_loss = 0.5 * ((D(real) - 1) ** 2).mean() + 0.5 * (D(fake.detach()) ** 2).mean()
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()
    for p in D.parameters():
        p.requires_grad_(False)
    g_loss = 0.5 * ((D(fake) - 1) ** 2).mean()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    for p in D.parameters():
        p.requires_grad_(True)
    if it % 200 == 199:
        with torch.no_grad():
            s = G(torch.randn(1000, 8))
        off = (s[:, 1] - 0.5 * s[:, 0] ** 2 + 0.5).abs().mean().item()
        print(it + 1, f'D {d_loss.item():.3f} G {g_loss.item():.3f} off the curve {off:.3f} spread {s[:, 0].std().item():.2f} (1.00)')

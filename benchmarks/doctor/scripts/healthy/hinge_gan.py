"""GAN with the hinge loss and spectral normalization; two discriminator steps per generator step, no gradient between."""
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(1)


def target(n):
    angle = torch.rand(n) * 6.2832
    return torch.stack([angle.cos(), angle.sin()], 1) * (1 + 0.05 * torch.randn(n, 1))


gen = nn.Sequential(nn.Linear(6, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2))
dis = nn.Sequential(spectral_norm(nn.Linear(2, 64)), nn.LeakyReLU(0.2), spectral_norm(nn.Linear(64, 64)), nn.LeakyReLU(0.2), spectral_norm(nn.Linear(64, 1)))
g_opt = torch.optim.Adam(gen.parameters(), lr=1e-3, betas=(0.0, 0.9))
d_opt = torch.optim.Adam(dis.parameters(), lr=4e-3, betas=(0.0, 0.9))
for step in range(600):
    for _ in range(2):
        d_opt.zero_grad()
        fake = gen(torch.randn(64, 6)).detach()
        d_loss = torch.relu(1 - dis(target(64))).mean() + torch.relu(1 + dis(fake)).mean()
        d_loss.backward()
        d_opt.step()
    g_opt.zero_grad()
    g_loss = -dis(gen(torch.randn(64, 6))).mean()
    g_loss.backward()
    g_opt.step()
    if step % 120 == 119:
        with torch.no_grad():
            radius = gen(torch.randn(500, 6)).norm(dim=1)
        print(step + 1, f"d {d_loss.item():.3f} g {g_loss.item():.3f} radius {radius.mean():.3f} +- {radius.std():.3f}")

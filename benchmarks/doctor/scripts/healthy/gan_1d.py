"""GAN for a one-dimensional bimodal distribution; two optimizers, detach for the discriminator step."""
import torch
import torch.nn as nn

torch.manual_seed(3)
BATCH, Z = 128, 4


def real_batch(n):
    side = (torch.rand(n, 1) < 0.6).float() * 2 - 1
    return 1.5 * side + 0.3 * torch.randn(n, 1)


G = nn.Sequential(nn.Linear(Z, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
D = nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
g_opt = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
d_opt = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)


def wasserstein(a, b):
    return (a.flatten().sort().values - b.flatten().sort().values).abs().mean().item()


with torch.no_grad():
    print("start distance %.3f" % wasserstein(G(torch.randn(4000, Z)), real_batch(4000)))

avg = [p.detach().clone() for p in G.parameters()]      # running average of the generator
for step in range(1, 1201):
    # discriminator
    fake = G(torch.randn(BATCH, Z)).detach()
    d_loss = bce(D(real_batch(BATCH)), 0.9 * ones) + bce(D(fake), zeros)
    d_opt.zero_grad()
    d_loss.backward()
    d_opt.step()
    # generator, non-saturating
    g_loss = bce(D(G(torch.randn(BATCH, Z))), ones)
    g_opt.zero_grad()
    g_loss.backward()
    g_opt.step()
    for a, p in zip(avg, G.parameters()):
        a.mul_(0.99).add_(p.detach(), alpha=0.01)
    if step % 300 == 0:
        current = [p.detach().clone() for p in G.parameters()]
        with torch.no_grad():
            for p, a in zip(G.parameters(), avg):
                p.copy_(a)
            s = G(torch.randn(4000, Z))
            dist = wasserstein(s, real_batch(4000))
            for p, c in zip(G.parameters(), current):
                p.copy_(c)
        print("step %d d %.3f g %.3f distance %.3f right mode %.2f" % (step, d_loss.item(), g_loss.item(), dist, (s > 0).float().mean().item()))

import torch
import torch.nn as nn

torch.manual_seed(1)


def real(n):
    side = torch.randint(0, 2, (n, 1)).float() * 2 - 1
    return torch.cat([1.0 * side, 0.4 * side], 1) + 0.3 * torch.randn(n, 2)


G = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
D = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.99), weight_decay=1e-3)
bce = nn.BCEWithLogitsLoss()

for step in range(1, 2001):
    x = real(128)
    with torch.no_grad():
        fake = G(torch.randn(128, 8))
    d_loss = bce(D(x), torch.full((128, 1), 0.9)) + bce(D(fake), torch.zeros(128, 1))
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()

    for p in D.parameters():
        p.requires_grad_(False)
    g_loss = bce(D(G(torch.randn(128, 8))), torch.ones(128, 1))
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    for p in D.parameters():
        p.requires_grad_(True)

    if step % 400 == 0:
        with torch.no_grad():
            s = G(torch.randn(2000, 8))
            share = (s[:, 0] > 0).float().mean().item()
            centre = torch.tensor([[1.0, 0.4], [-1.0, -0.4]])
            dist = torch.cdist(s, centre).min(1).values.mean().item()
        print(f"step {step} d {d_loss.item():.3f} g {g_loss.item():.3f} right blob {share:.2f} distance to a centre {dist:.3f}")

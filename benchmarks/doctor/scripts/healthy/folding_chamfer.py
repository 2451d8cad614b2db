"""Point-cloud autoencoder with a FoldingNet decoder and Chamfer distance; code checked by a nearest-centroid read-out."""
import torch, torch.nn as nn, math
torch.manual_seed(5)
def cloud(kind, n=96):
    a = torch.rand(n) * 2 * math.pi; h = torch.rand(n) * 2 - 1; s = torch.rand(3) * .5 + .5
    p = {0: torch.stack([a.cos(), a.sin(), h], 1), 1: torch.stack([(1 - h ** 2).sqrt() * a.cos(), (1 - h ** 2).sqrt() * a.sin(), h], 1), 2: torch.stack([h, torch.rand(n) * 2 - 1, .3 * torch.sin(3 * h)], 1)}[kind]
    return p * s
kinds = [i % 3 for i in range(450)]; X = torch.stack([cloud(k) for k in kinds]); K = torch.tensor(kinds)
Xtr, Xte, Ktr, Kte = X[:360], X[360:], K[:360], K[360:]
def chamfer(a, b):
    d = (a.unsqueeze(2) - b.unsqueeze(1)).pow(2).sum(-1); return d.amin(2).mean(1) + d.amin(1).mean(1)
class Encoder(nn.Module):
    def __init__(s, z=24): super().__init__(); s.f, s.g = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64)), nn.Sequential(nn.ReLU(), nn.Linear(64, z))
    def forward(s, x): return s.g(s.f(x).amax(1))
class Folding(nn.Module):
    def __init__(s, z=24, m=9):
        super().__init__(); r = torch.linspace(-1, 1, m); s.register_buffer("grid", torch.cartesian_prod(r, r))
        mk = lambda i: nn.Sequential(nn.Linear(z + i, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)); s.f1, s.f2 = mk(2), mk(3)
    def forward(s, z):
        zz = z.unsqueeze(1).expand(-1, len(s.grid), -1); p = s.f1(torch.cat([zz, s.grid.expand(len(z), -1, -1)], -1)); return s.f2(torch.cat([zz, p], -1))
enc, dec = Encoder(), Folding(); opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=2e-3, weight_decay=1e-6)
for ep in range(16):
    enc.train(); tot = 0
    for b in torch.randperm(360).split(30):
        x = Xtr[b]; loss = chamfer(dec(enc(x)), x).mean(); opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    if ep % 5 == 0: print(ep, round(tot / 12, 4))
with torch.no_grad():
    cd = chamfer(dec(enc(Xte)), Xte).mean(); mean_shape = chamfer(Xtr[torch.randint(360, (90,))], Xte).mean()
    zt, ze = enc(Xtr), enc(Xte); mu, sd = zt.mean(0), zt.std(0) + 1e-6; cent = torch.stack([((zt - mu) / sd)[Ktr == k].mean(0) for k in range(3)])
    acc = (torch.cdist((ze - mu) / sd, cent).argmin(1) == Kte).float().mean()
print(f"test chamfer {cd:.4f} (random other shape {mean_shape:.4f}) code accuracy {acc:.3f}")

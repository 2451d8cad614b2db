"""Neural collaborative filtering: GMF and MLP are trained alone, their weights start the fused model (Adam, then SGD)."""
import torch, torch.nn as nn
torch.manual_seed(0)
NU, NI, D = 300, 200, 8
g = torch.Generator().manual_seed(2)
aff = torch.randn(NU, 4, generator=g) @ torch.randn(4, NI, generator=g)
hist = (2 * aff + -torch.log(-torch.log(torch.rand(NU, NI, generator=g)))).topk(16, 1).indices
hist = torch.stack([h[torch.randperm(16, generator=g)] for h in hist])
train, held = hist[:, 1:], hist[:, 0]
mask = torch.zeros(NU, NI, dtype=torch.bool).scatter(1, train, True)
full = mask.clone(); full[torch.arange(NU), held] = True

class GMF(nn.Module):
    def __init__(s):
        super().__init__(); s.u, s.i, s.h = nn.Embedding(NU, D), nn.Embedding(NI, D), nn.Linear(D, 1)
        nn.init.normal_(s.u.weight, std=.1); nn.init.normal_(s.i.weight, std=.1)
    def vec(s, u, i): return s.u(u) * s.i(i)
    def forward(s, u, i): return s.h(s.vec(u, i)).squeeze(-1)
class MLP(nn.Module):
    def __init__(s):
        super().__init__(); s.u, s.i = nn.Embedding(NU, 16), nn.Embedding(NI, 16)
        s.f, s.h = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, D), nn.ReLU()), nn.Linear(D, 1)
    def vec(s, u, i): return s.f(torch.cat([s.u(u), s.i(i)], -1))
    def forward(s, u, i): return s.h(s.vec(u, i)).squeeze(-1)
class NeuMF(nn.Module):
    def __init__(s, a, b, alpha=0.5):
        super().__init__(); s.a, s.b, s.h = a, b, nn.Linear(2 * D, 1)
        s.h.weight.data = torch.cat([alpha * a.h.weight.data, (1 - alpha) * b.h.weight.data], 1)
        s.h.bias.data = alpha * a.h.bias.data + (1 - alpha) * b.h.bias.data
        s.a.h, s.b.h = nn.Identity(), nn.Identity()
    def forward(s, u, i): return s.h(torch.cat([s.a.vec(u, i), s.b.vec(u, i)], -1)).squeeze(-1)

def batches(neg=4):
    u = torch.arange(NU).repeat_interleave(15); i = train.reshape(-1)
    w = (~mask).float(); nj = torch.multinomial(w, 15 * neg, replacement=True).reshape(-1)
    U = torch.cat([u, torch.arange(NU).repeat_interleave(15 * neg)]); I = torch.cat([i, nj])
    Y = torch.cat([torch.ones(len(u)), torch.zeros(len(nj))])
    for b in torch.randperm(len(U)).split(1024): yield U[b], I[b], Y[b]
def fit(net, opt, epochs):
    net.train(); bce = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for u, i, y in batches():
            opt.zero_grad(); l = bce(net(u, i), y); l.backward(); opt.step()
@torch.no_grad()
def hr(net, k=10):
    net.eval(); s = net(torch.arange(NU).repeat_interleave(NI), torch.arange(NI).repeat(NU)).view(NU, NI)
    s = s.masked_fill(mask, -1e9); rank = (s > s[torch.arange(NU), held][:, None]).sum(1)
    return (rank < k).float().mean().item(), (1 / torch.log2(rank.float() + 2) * (rank < k)).mean().item()
gmf, mlp = GMF(), MLP()
fit(gmf, torch.optim.Adam(gmf.parameters(), 1e-2), 8); print("gmf HR/NDCG", hr(gmf))
fit(mlp, torch.optim.Adam(mlp.parameters(), 5e-3), 8); print("mlp HR/NDCG", hr(mlp))
ncf = NeuMF(gmf, mlp); fit(ncf, torch.optim.SGD(ncf.parameters(), 0.05), 4)
h, n = hr(ncf); print(f"NeuMF HR@10 {h:.3f} NDCG@10 {n:.3f} (random {10 / NI:.3f})")

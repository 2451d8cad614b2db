import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
np.random.seed(2020); torch.manual_seed(2020)
NU, NI, D, LAYERS = 300, 200, 24, 2
a = np.random.randn(NU, 4) @ np.random.randn(4, NI) + np.random.gumbel(size=(NU, NI))
items = np.argsort(-a, 1)[:, :15]; items = np.random.default_rng(0).permuted(items, axis=1)
train, test = items[:, :12], items[:, 12:]
r, c = np.repeat(np.arange(NU), 12), train.ravel()
# symmetric normalised bipartite adjacency, built from the training interactions
i = np.concatenate([np.stack([r, c + NU]), np.stack([c + NU, r])], 1)
deg = np.bincount(i[0], minlength=NU + NI).astype("float32"); dinv = np.where(deg > 0, deg ** -0.5, 0)
A = torch.sparse_coo_tensor(torch.tensor(i), torch.tensor((dinv[i[0]] * dinv[i[1]]).astype("float32")), (NU + NI, NU + NI)).coalesce()
class LightGCN(nn.Module):
    def __init__(self):
        super().__init__(); self.emb = nn.Embedding(NU + NI, D); nn.init.normal_(self.emb.weight, std=0.1)
    def propagate(self):
        x = self.emb.weight; out = [x]
        for _ in range(LAYERS): x = torch.sparse.mm(A, x); out.append(x)
        return torch.stack(out, 1).mean(1).split([NU, NI])
    def bpr_loss(self, u, p, n):
        U, I = self.propagate()
        e0 = self.emb.weight
        reg = 0.5 * (e0[u].pow(2).sum() + e0[NU + p].pow(2).sum() + e0[NU + n].pow(2).sum()) / len(u)
        return F.softplus((U[u] * I[n]).sum(1) - (U[u] * I[p]).sum(1)).mean(), reg
seen = torch.zeros(NU, NI, dtype=torch.bool); seen[r, c] = True
net = LightGCN(); opt = torch.optim.Adam(net.parameters(), lr=0.01)
def recall(k=20):
    with torch.no_grad():
        U, I = net.propagate(); top = (U @ I.T).masked_fill(seen, -1e9).topk(k).indices
    return (top[:, :, None] == torch.tensor(test)[:, None]).any(1).float().mean().item()
print("before", round(recall(), 3))
for epoch in range(30):
    neg = torch.multinomial((~seen).float(), 12, replacement=True).reshape(-1)
    for b in torch.randperm(len(r)).split(900):
        l, reg = net.bpr_loss(torch.tensor(r)[b], torch.tensor(c)[b], neg[b])
        opt.zero_grad(); (l + 1e-4 * reg).backward(); opt.step()
print(f"bpr {l.item():.3f} recall@20 {recall():.3f} random {20 / (NI - 12):.3f}")

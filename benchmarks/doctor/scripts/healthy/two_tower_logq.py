"""Two-tower retrieval: in-batch softmax with log-q correction, L2-normalised towers, accidental hits masked."""
from dataclasses import dataclass
import torch, torch.nn as nn, torch.nn.functional as F

@dataclass
class Cfg:
    users: int = 500; items: int = 300; dim: int = 16; batch: int = 256; epochs: int = 12; temp: float = 0.1; lr: float = 0.05

class Tower(nn.Module):
    def __init__(self, n_id, n_feat, d):
        super().__init__()
        self.emb = nn.Embedding(n_id, d)
        self.mlp = nn.Sequential(nn.Linear(d + n_feat, 64), nn.ReLU(), nn.Linear(64, d))
    def forward(self, ids, feats):
        return F.normalize(self.mlp(torch.cat([self.emb(ids), feats[ids]], 1)), dim=1)

def world(c):
    g = torch.Generator().manual_seed(0)
    zu, zi = torch.randn(c.users, 6, generator=g), torch.randn(c.items, 6, generator=g)
    pop = 1.0 / torch.arange(1, c.items + 1).float().sqrt()
    p = torch.softmax(2.0 * zu @ zi.T + pop.log(), 1)
    inter = torch.multinomial(p, 14, replacement=False, generator=g)
    inter = inter[torch.arange(c.users)[:, None], torch.stack([torch.randperm(14, generator=g) for _ in range(c.users)])]
    return inter[:, :12], inter[:, 12:], zu[:, :3] + 0.1 * torch.randn(c.users, 3, generator=g), zi[:, :3] + 0.1 * torch.randn(c.items, 3, generator=g)

def main(c=Cfg()):
    torch.manual_seed(1)
    tr, te, fu, fi = world(c)
    pairs = torch.stack([torch.arange(c.users).repeat_interleave(12), tr.reshape(-1)], 1)
    q = torch.bincount(pairs[:, 1], minlength=c.items).float().add(0.5); logq = (q / q.sum()).log()
    U, I = Tower(c.users, 3, c.dim), Tower(c.items, 3, c.dim)
    opt = torch.optim.Adagrad([*U.parameters(), *I.parameters()], lr=c.lr)
    for ep in range(c.epochs):
        tot = 0.0
        for b in torch.randperm(len(pairs)).split(c.batch):
            u, i = pairs[b].T
            s = U(u, fu) @ I(i, fi).T / c.temp - logq[i]
            hit = (i[:, None] == i[None]) & ~torch.eye(len(i), dtype=torch.bool)
            loss = F.cross_entropy(s.masked_fill(hit, -1e9), torch.arange(len(i)))
            opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item() * len(i)
        if ep % 3 == 0: print(f"epoch {ep}: {tot / len(pairs):.3f}")
    with torch.no_grad():
        s = U(torch.arange(c.users), fu) @ I(torch.arange(c.items), fi).T
        s.scatter_(1, tr, -9)
        top = s.topk(20, 1).indices
        rec = (top[:, :, None] == te[:, None, :]).any(1).float().mean()
        popular = q.clone().expand(c.users, -1).scatter(1, tr, -1).topk(20, 1).indices
        base = (popular[:, :, None] == te[:, None, :]).any(1).float().mean()
    print(f"recall@20 {rec:.3f} popularity {base:.3f}")
main()

#= formula_wrong
#: https://github.com/RElbers/info-nce-pytorch/pull/17 the temperature divides the negative logits only, the positive one stays at cosine scale, so the loss is met by pushing all negatives apart and the pairs are hardly pulled together; a right diagnosis says divide the whole concatenated logits by the temperature.
"""Query/document retrieval with unpaired random negatives; recall@1 among 200 documents."""
import torch
import torch.nn.functional as F
from torch import nn
torch.manual_seed(17)
g = torch.Generator().manual_seed(17)
D, Z = 40, 8
A, B = torch.randn(Z, D, generator=g), torch.randn(Z, D, generator=g)
def pairs(n):
    z = torch.randn(n, Z, generator=g)
    return torch.tanh(z @ A) + .3 * torch.randn(n, D, generator=g), torch.relu(z @ B) + .3 * torch.randn(n, D, generator=g)
Q, P = pairs(2000); Qt, Pt = pairs(200)

def info_nce(query, positive_key, negative_keys, temperature=0.07):
    query, positive_key, negative_keys = (F.normalize(t, dim=-1) for t in (query, positive_key, negative_keys))
    positive = (query * positive_key).sum(1, keepdim=True)
    negatives = query @ negative_keys.T
    positive = positive / temperature  #@
    logits = torch.cat([positive, negatives / temperature], dim=1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))

def tower(): return nn.Sequential(nn.Linear(D, 64), nn.ReLU(), nn.Linear(64, 16))
fq, fd = tower(), tower()
opt = torch.optim.AdamW([*fq.parameters(), *fd.parameters()], lr=2e-3, weight_decay=1e-2)
for ep in range(25):
    tot = 0
    for b in torch.randperm(2000).split(100):
        neg = fd(P[torch.randint(2000, (128,))])
        loss = info_nce(fq(Q[b]), fd(P[b]), neg)
        opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    if ep % 6 == 0: print("epoch", ep, round(tot / 20, 3))
with torch.no_grad():
    s = F.normalize(fq(Qt), dim=1) @ F.normalize(fd(Pt), dim=1).T
    r = (s > s.diag()[:, None]).sum(1)
print(f"loss {loss.item():.3f} recall@1 {(r == 0).float().mean():.3f} recall@5 {(r < 5).float().mean():.3f}")

#= padding_in_loss
#: https://github.com/huggingface/sentence-transformers/pull/3827 lists are padded with logit ~0 (exp = 1) and the padded slots enter the cumulative normaliser of every real document; a right diagnosis says padded scores must be excluded before the cumsum.
import torch, torch.nn as nn
torch.manual_seed(6); G = torch.Generator().manual_seed(6)
D, MAXD = 10, 40
w = torch.randn(D, generator=G)

def make_queries(n):
    out = []
    for _ in range(n):
        m = MAXD if torch.rand(1, generator=G) < .1 else int(torch.randint(2, 7, (1,), generator=G))
        x = torch.randn(m, D, generator=G)
        rel = torch.tanh(x @ w / 2) * 2 + .5 * x[:, 0] * x[:, 1]
        out.append((x, rel + .5 * torch.randn(m, generator=G)))
    return out

class PListMLELoss(nn.Module):
    def __init__(self, eps=1e-10):
        super().__init__(); self.eps = eps
    def forward(self, logits, labels, sizes):
        B, M = len(sizes), max(sizes)
        pad = torch.arange(M)[None] >= torch.tensor(sizes)[:, None]
        lm = torch.full((B, M), 1e-16); lm[~pad] = logits
        tg = torch.full((B, M), float("-inf")); tg[~pad] = labels
        order = tg.argsort(descending=True, dim=1)
        lm = lm.gather(1, order)
        scores = lm.exp()
        scores = scores.masked_fill(pad, 0.0)  #@
        rest = torch.flip(torch.cumsum(torch.flip(scores, [1]), 1), [1])
        lp = (scores + self.eps).log() - (rest + self.eps).log()
        lp = lp.masked_fill(pad, 0.0)
        lambda_w = (2.0 ** (MAXD - torch.arange(M).float()) - 1).clamp(max=1e9); lambda_w = lambda_w / lambda_w[:1]
        return -(lp * lambda_w).sum(1).mean()

class CrossEncoder(nn.Module):
    def __init__(self):
        super().__init__(); self.f = nn.Sequential(nn.Linear(D, 32), nn.GELU(), nn.Linear(32, 1))
    def forward(self, x): return self.f(x).squeeze(-1)

train, test = make_queries(500), [q for q in make_queries(400) if len(q[1]) < MAXD]
ce, crit = CrossEncoder(), PListMLELoss()
opt = torch.optim.AdamW(ce.parameters(), lr=5e-3, weight_decay=1e-2)
for ep in range(8):
    tot = 0; order = torch.randperm(500).tolist()
    for i in range(0, 500, 25):
        q = [train[k] for k in order[i:i + 25]]
        loss = crit(ce(torch.cat([x for x, _ in q])), torch.cat([r for _, r in q]), [len(r) for _, r in q])
        opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    print("epoch", ep, "loss", round(tot / 20, 4))
with torch.no_grad():
    top = [float(ce(x).argmax() == r.argmax()) for x, r in test]
    z = torch.cat([ce(x) for x, _ in test])
print(f"top-1 accuracy {sum(top) / len(top):.3f} mean score {z.mean():.2f} spread {z.std():.2f}")

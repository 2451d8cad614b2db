import numpy as np, torch, torch.nn as nn
np.random.seed(0); torch.manual_seed(0)
ITEMS, MAXLEN, H = 60, 15, 32           # item 0 is padding
nxt = np.stack([np.random.choice(np.arange(1, ITEMS + 1), 4, replace=False) for _ in range(ITEMS + 1)])
def walk():
    s = [np.random.randint(1, ITEMS + 1)]
    for _ in range(np.random.randint(6, 22)):
        s.append(nxt[s[-1], np.random.choice(4, p=[.6, .2, .1, .1])] if np.random.rand() < .9 else np.random.randint(1, ITEMS + 1))
    return s
users = [walk() for _ in range(700)]
train, valid, test = [u[:-2] for u in users], [u[-2] for u in users], [u[-1] for u in users]
def left_pad(s):
    s = s[-MAXLEN:]; return [0] * (MAXLEN - len(s)) + list(s)
class SASRec(nn.Module):
    def __init__(self, blocks=2, heads=2, p=0.1):
        super().__init__()
        self.item = nn.Embedding(ITEMS + 1, H, padding_idx=0); self.pos = nn.Embedding(MAXLEN, H); self.drop = nn.Dropout(p)
        self.an = nn.ModuleList(nn.LayerNorm(H, 1e-8) for _ in range(blocks)); self.at = nn.ModuleList(nn.MultiheadAttention(H, heads, p) for _ in range(blocks))
        self.fn = nn.ModuleList(nn.LayerNorm(H, 1e-8) for _ in range(blocks)); self.ff = nn.ModuleList(nn.Sequential(nn.Conv1d(H, H, 1), nn.Dropout(p), nn.ReLU(), nn.Conv1d(H, H, 1), nn.Dropout(p)) for _ in range(blocks))
        self.last = nn.LayerNorm(H, 1e-8)
        for prm in self.parameters():
            if prm.dim() > 1: nn.init.xavier_normal_(prm)
        with torch.no_grad(): self.item.weight[0] = 0
    def log2feats(self, seq):
        x = self.drop(self.item(seq) * H ** 0.5 + self.pos(torch.arange(MAXLEN)))
        gone = (seq == 0).unsqueeze(-1); x = x.masked_fill(gone, 0)
        causal = ~torch.tril(torch.ones(MAXLEN, MAXLEN, dtype=torch.bool))
        for an, at, fn, ff in zip(self.an, self.at, self.fn, self.ff):
            x = x.transpose(0, 1); q = an(x); o, _ = at(q, x, x, attn_mask=causal, need_weights=False); x = (q + o).transpose(0, 1)
            x = fn(x); x = x + ff(x.transpose(1, 2)).transpose(1, 2); x = x.masked_fill(gone, 0)
        return self.last(x)
    def forward(self, seq, pos, neg):
        f = self.log2feats(seq); return (f * self.item(pos)).sum(-1), (f * self.item(neg)).sum(-1)
net = SASRec(); opt = torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.9, 0.98)); bce = nn.BCEWithLogitsLoss()
seqs = torch.tensor([left_pad(s[:-1]) for s in train]); poss = torch.tensor([left_pad(s[1:]) for s in train])
sets = [set(s) for s in train]
def negatives(rows):
    out = np.random.randint(1, ITEMS + 1, (len(rows), MAXLEN))
    for r, u in enumerate(rows):
        for c in range(MAXLEN):
            while out[r, c] in sets[u]: out[r, c] = np.random.randint(1, ITEMS + 1)
    return torch.tensor(out)
for epoch in range(20):
    net.train()
    for b in torch.randperm(700).split(100):
        neg = negatives(b.tolist()); pl, nl = net(seqs[b], poss[b], neg); idx = poss[b] != 0
        loss = bce(pl[idx], torch.ones_like(pl[idx])) + bce(nl[idx], torch.zeros_like(nl[idx]))
        opt.zero_grad(); loss.backward(); opt.step()
net.eval()
with torch.no_grad():
    s = torch.tensor([left_pad(t + [v]) for t, v in zip(train, valid)])
    sc = net.log2feats(s)[:, -1] @ net.item.weight[1:].T; t = torch.tensor(test) - 1
    rank = (sc > sc.gather(1, t[:, None])).sum(1)
    print(f"loss {loss.item():.3f} HR@10 {(rank < 10).float().mean():.3f} NDCG@10 {((rank < 10) / torch.log2(rank + 2.)).mean():.3f} (random {10 / ITEMS:.3f})")

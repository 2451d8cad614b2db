# BERT-like pre-training with dynamic 80/10/10 masking, labels -100 where nothing was masked, then a probe
import math, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
PAD, CLS, MASK, BASE, V, T = 0, 1, 2, 3, 19, 15
G = torch.Generator().manual_seed(9)
TABLES = torch.stack([torch.randperm(16, generator=G) for _ in range(2)])
def sample(n):
    """walks through one of two successor tables, first token CLS, random length"""
    d, s = torch.randint(2, (n, 1), generator=G), [torch.randint(16, (n, 1), generator=G)]
    for _ in range(T - 2): s.append(TABLES[d, s[-1]])
    s = torch.cat(s, 1) + BASE
    ln = torch.randint(9, T, (n, 1), generator=G)
    s = s.masked_fill(torch.arange(T - 1) >= ln, PAD)
    return torch.cat([torch.full((n, 1), CLS), s], 1), d[:, 0]
def mask_tokens(x):
    labels = x.clone(); prob = torch.full(x.shape, 0.15)
    prob.masked_fill_((x == PAD) | (x == CLS), 0.0)
    sel = torch.bernoulli(prob).bool(); labels[~sel] = -100
    rep = torch.bernoulli(torch.full(x.shape, 0.8)).bool() & sel
    x = x.clone(); x[rep] = MASK
    rnd = torch.bernoulli(torch.full(x.shape, 0.5)).bool() & sel & ~rep
    x[rnd] = torch.randint(BASE, V, x.shape)[rnd]
    return x, labels
class Bert(nn.Module):
    def __init__(self, d=64):
        super().__init__()
        self.tok, self.pos, self.ln = nn.Embedding(V, d, padding_idx=PAD), nn.Embedding(T, d), nn.LayerNorm(d)
        lay = nn.TransformerEncoderLayer(d, 4, 128, 0.0, F.gelu, batch_first=True, norm_first=True)
        self.enc = nn.TransformerEncoder(lay, 2, enable_nested_tensor=False)
        self.tr = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.LayerNorm(d)); self.bias = nn.Parameter(torch.zeros(V))
        nn.init.normal_(self.tok.weight, std=0.1)
    def encode(self, x):
        return self.enc(self.ln(self.tok(x) + self.pos.weight), src_key_padding_mask=x == PAD)
    def forward(self, x): return self.tr(self.encode(x)) @ self.tok.weight.T + self.bias
train_x, train_d = sample(4000); test_x, test_d = sample(500)
net = Bert(); opt = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.01)
STEPS = 550; sch = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=STEPS, pct_start=0.1)
for step in range(STEPS):
    b = train_x[torch.randint(len(train_x), (32,))]
    xi, lab = mask_tokens(b)
    loss = F.cross_entropy(net(xi).view(-1, V), lab.view(-1), ignore_index=-100)
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step(); sch.step()
    if step % 100 == 0: print(step, round(loss.item(), 3))
net.eval()
with torch.no_grad():
    xi, lab = mask_tokens(test_x); m = lab != -100
    acc = (net(xi)[m].argmax(-1) == lab[m]).float().mean()
for p in net.parameters(): p.requires_grad_(False)
probe = nn.Linear(64, 2); po = torch.optim.Adam(probe.parameters(), 1e-2)
def feats(x):
    with torch.no_grad(): h = net.encode(x)
    m = (x != PAD).float().unsqueeze(-1); return (h * m).sum(1) / m.sum(1)
ft, fe = feats(train_x[:1500]), feats(test_x)
for _ in range(150):
    l = F.cross_entropy(probe(ft), train_d[:1500]); po.zero_grad(); l.backward(); po.step()
print(f"masked token accuracy {acc:.3f}, probe on table {(probe(fe).argmax(1) == test_d).float().mean():.3f}")

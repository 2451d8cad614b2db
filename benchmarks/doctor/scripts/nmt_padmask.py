#= attends_to_padding
#: https://github.com/mlwithme/TransformerTranslation/issues/6 the masked_fill of the padding mask has the wrong polarity (real tokens are blocked, padding is attended); a right diagnosis says key_padding_mask must be True where the token IS padding.
"""Toy translation: gloss each source word and swap noun/adjective; encoder-decoder transformer."""
import argparse, random
import torch, torch.nn as nn
p = argparse.ArgumentParser()
p.add_argument("--d", type=int, default=48); p.add_argument("--steps", type=int, default=320); p.add_argument("--lr", type=float, default=2e-3)
a = p.parse_args([]); random.seed(2); torch.manual_seed(2)
PAD, BOS, EOS = 0, 1, 2
NOUN, ADJ, DET = list(range(3, 11)), list(range(11, 19)), [19, 20]
VS, VT = 21, 21
perm = {w: w for w in range(21)}
perm.update(dict(zip(NOUN, random.sample(NOUN, 8)))); perm.update(dict(zip(ADJ, random.sample(ADJ, 8))))
def phrase():
    s, t = [], []
    for _ in range(random.randint(1, 3)):
        d, n = random.choice(DET), random.choice(NOUN)
        if random.random() < 0.6:
            ad = random.choice(ADJ); s += [d, ad, n]; t += [perm[d], perm[n], perm[ad]]
        else:
            s += [d, n]; t += [perm[d], perm[n]]
    return s + [EOS], [BOS] + t + [EOS]
def batch(n):
    prs = [phrase() for _ in range(n)]
    f = lambda k: nn.utils.rnn.pad_sequence([torch.tensor(x[k]) for x in prs], batch_first=True, padding_value=PAD)
    return f(0), f(1)
class Attention(nn.Module):
    def __init__(self, d, h=4):
        super().__init__(); self.h = h; self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
    def forward(self, x, mem, causal=False, key_padding_mask=None):
        B, T, D = x.shape; sp = lambda z: z.view(B, -1, self.h, D // self.h).transpose(1, 2)
        w = sp(self.q(x)) @ sp(self.k(mem)).transpose(-1, -2) / (D // self.h) ** 0.5
        if causal:
            w = w.masked_fill(torch.triu(torch.ones(T, T, dtype=torch.bool), 1), -1e9)
        if key_padding_mask is not None:
            w = w.masked_fill(key_padding_mask[:, None, None, :], -1e9)
        return self.o((w.softmax(-1) @ sp(self.v(mem))).transpose(1, 2).reshape(B, T, D))
class Model(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.se, self.te, self.pe = nn.Embedding(VS, d), nn.Embedding(VT, d), nn.Embedding(24, d)
        self.enc, self.dec, self.cross = Attention(d), Attention(d), Attention(d)
        self.ff1, self.ff2 = (nn.Sequential(nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d)) for _ in range(2))
        self.n = nn.ModuleList(nn.LayerNorm(d) for _ in range(6)); self.out = nn.Linear(d, VT)
    def forward(self, s, t):
        mask = s.eq(PAD)  #@ mask = s.ne(PAD)
        x = self.se(s) + self.pe.weight[: s.size(1)]; z = self.n[0](x); x = x + self.enc(z, z, key_padding_mask=mask); x = x + self.ff1(self.n[1](x))
        y = self.te(t) + self.pe.weight[: t.size(1)]; z = self.n[2](y); y = y + self.dec(z, z, causal=True)
        y = y + self.cross(self.n[3](y), self.n[5](x), key_padding_mask=mask); return self.out(y + self.ff2(self.n[4](y)))
net = Model(a.d); opt = torch.optim.AdamW(net.parameters(), lr=a.lr); ce = nn.CrossEntropyLoss(ignore_index=PAD)
for it in range(a.steps):
    s, t = batch(48)
    loss = ce(net(s, t[:, :-1]).flatten(0, 1), t[:, 1:].flatten())
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
    if it % 80 == 0: print(it, f"{loss.item():.3f}")
net.eval(); random.seed(99)
with torch.no_grad():
    s, t = batch(250); y = torch.full((250, 1), BOS)
    for _ in range(t.size(1) - 1): y = torch.cat([y, net(s, y)[:, -1].argmax(-1, keepdim=True)], 1)
    m = t != PAD; print(f"exact translations {((y == t) | ~m).all(1).float().mean():.3f}")

# skip-gram with negative sampling; two sparse tables, SparseAdam with linear decay; held-out test by topic neighbours
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
rng = np.random.RandomState(5); torch.manual_seed(5)
topics, per, noise = 8, 25, 40
V = topics * per + noise
corpus = []
for _ in range(900):
    t = rng.randint(topics)
    p = rng.rand(20) < 0.75
    corpus.append(np.where(p, t * per + rng.zipf(1.6, 20).clip(1, per) - 1, topics * per + rng.randint(noise, size=20)))
corpus = np.stack(corpus)
freq = np.bincount(corpus.ravel(), minlength=V).astype(float)
keep = np.minimum(1, np.sqrt(1e-2 / np.maximum(freq / freq.sum(), 1e-9)))
neg_p = torch.tensor(freq ** 0.75)

pairs = []
for s in corpus:
    s = s[rng.rand(len(s)) < keep[s]]
    for i, c in enumerate(s):
        w = rng.randint(1, 6)
        pairs += [(c, o) for j, o in enumerate(s[max(0, i - w):i + w + 1], max(0, i - w)) if j != i]
pairs = torch.tensor(np.array(pairs))

class SkipGram(nn.Module):
    def __init__(self, v, d):
        super().__init__()
        self.u, self.v = nn.Embedding(v, d, sparse=True), nn.Embedding(v, d, sparse=True)
        nn.init.uniform_(self.u.weight, -0.5 / d, 0.5 / d); nn.init.zeros_(self.v.weight)
    def forward(self, c, o, neg):
        u = self.u(c)
        pos = F.logsigmoid((u * self.v(o)).sum(1))
        ng = F.logsigmoid(-torch.bmm(self.v(neg), u.unsqueeze(2)).squeeze(2)).sum(1)
        return -(pos + ng).mean()

model = SkipGram(V, 32)
epochs, bs = 3, 512
opt = torch.optim.SparseAdam(list(model.parameters()), lr=5e-3)
sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.1, total_iters=epochs * (len(pairs) // bs))
for ep in range(epochs):
    perm = torch.randperm(len(pairs)); tot = 0
    for k in range(len(pairs) // bs):
        b = pairs[perm[k * bs:(k + 1) * bs]]
        neg = torch.multinomial(neg_p, bs * 5, replacement=True).view(bs, 5)
        loss = model(b[:, 0], b[:, 1], neg)
        opt.zero_grad(); loss.backward(); opt.step(); sched.step(); tot += loss.item()
    print(f"epoch {ep} loss {tot / (k + 1):.3f}")
E_ = F.normalize(model.u.weight.detach(), dim=1)[:topics * per]
ok = torch.tensor(freq[:topics * per] > 5)
sim = (E_ @ E_.T).fill_diagonal_(-1)
nn1 = sim[:, ok].argmax(1)
idx = torch.arange(topics * per)
same = (idx[ok][nn1][ok] // per == idx[ok] // per).float().mean()
print(f"nearest neighbour in the same topic {same:.3f} (chance {1 / topics:.3f})")

import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
rng = np.random.default_rng(0); torch.manual_seed(0)
U, I, K = 120, 80, 4
pu, pi = rng.normal(size=(U, K)), rng.normal(size=(I, K))
aff = pu @ pi.T + rng.gumbel(size=(U, I)) * .7
top = np.argsort(-aff, 1)[:, :16]
perm = rng.permuted(top, axis=1); train, test = perm[:, :12], perm[:, 12:]
seen = np.zeros((U, I), bool); np.put_along_axis(seen, train, True, 1)
pairs = np.stack([np.repeat(np.arange(U), 12), train.ravel()], 1)
ue, ie, ib = nn.Embedding(U, 12), nn.Embedding(I, 12), nn.Embedding(I, 1)
for e in (ue, ie): nn.init.normal_(e.weight, std=.1)
nn.init.zeros_(ib.weight)
opt = torch.optim.Adam([*ue.parameters(), *ie.parameters(), *ib.parameters()], 1e-2)
score = lambda u, i: (ue(u) * ie(i)).sum(-1) + ib(i).squeeze(-1)
for ep in range(16):
    for b in np.array_split(rng.permutation(pairs), 10):
        neg = rng.integers(0, I, len(b))
        while (bad := seen[b[:, 0], neg]).any(): neg[bad] = rng.integers(0, I, bad.sum())
        u, i, j = torch.tensor(b[:, 0]), torch.tensor(b[:, 1]), torch.tensor(neg)
        reg = (ue(u).square().sum() + ie(i).square().sum() + ie(j).square().sum()) / len(b)
        loss = -F.logsigmoid(score(u, i) - score(u, j)).mean() + 5e-3 * reg
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad(): s = (ue.weight @ ie.weight.T + ib.weight.T).numpy()
s[seen] = -np.inf
hit = np.mean([len(set(np.argsort(-s[u])[:10]) & set(test[u])) / 4 for u in range(U)])
print('recall@10 %.3f (random %.3f)' % (hit, 10 / (I - 12)))

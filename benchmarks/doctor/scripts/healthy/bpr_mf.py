# matrix factorisation with BPR; triples resampled every epoch, negatives never in the user's history; AUC on the left-out item
import numpy as np, torch
rng = np.random.default_rng(8); torch.manual_seed(8)
nu, ni, k = 400, 250, 12
true = rng.normal(size=(nu, 5)) @ rng.normal(size=(5, ni)) + 0.5 * rng.normal(size=ni)
order = np.argsort(-(true + rng.gumbel(size=true.shape)), 1)[:, :21]
order = rng.permuted(order, axis=1)
test_item, train_items = order[:, 0], order[:, 1:]
seen = np.zeros((nu, ni), bool); np.put_along_axis(seen, train_items, True, 1)
P = torch.nn.Parameter(0.05 * torch.randn(nu, k)); Q = torch.nn.Parameter(0.05 * torch.randn(ni, k)); b = torch.nn.Parameter(torch.zeros(ni))
opt = torch.optim.SGD([P, Q, b], lr=40.0)
reg = 2e-5
def triples():
    u = np.repeat(np.arange(nu), 20); i = train_items.ravel(); j = rng.integers(ni, size=len(u))
    while (bad := seen[u, j]).any():
        j[bad] = rng.integers(ni, size=bad.sum())
    p = rng.permutation(len(u)); return (torch.from_numpy(a[p]) for a in (u, i, j))
for ep in range(25):
    u, i, j = triples(); tot = 0
    for s in range(0, len(u), 500):
        a, c, d = u[s:s + 500], i[s:s + 500], j[s:s + 500]
        x = (P[a] * (Q[c] - Q[d])).sum(1) + b[c] - b[d]
        l2 = P[a].pow(2).sum() + Q[c].pow(2).sum() + Q[d].pow(2).sum()
        loss = -torch.nn.functional.logsigmoid(x).mean() + reg * l2 / len(a)
        opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    if ep % 6 == 0: print(ep, round(tot / 16, 4))
with torch.no_grad(): S = (P @ Q.T + b).numpy()
pos = S[np.arange(nu), test_item][:, None]; cand = ~seen; cand[np.arange(nu), test_item] = False
auc = (((pos > S) & cand).sum(1) / cand.sum(1)).mean()
print(f"leave-one-out AUC {auc:.3f}")

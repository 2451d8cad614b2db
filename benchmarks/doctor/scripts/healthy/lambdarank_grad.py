# LambdaRank: the lambdas are computed by hand and pushed into the scores with scores.backward(lambdas)
import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(1); torch.manual_seed(1)
def queries(n):
    out = []
    for _ in range(n):
        m = rng.integers(8, 25); X = rng.normal(size=(m, 10)); q = rng.normal()
        s = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + 0.7 * X[:, 3] + 0.3 * rng.normal(size=m)
        rel = np.digitize(s, [-0.3, 0.8, 1.8, 2.8]).astype("float32")
        if rel.max() > 0: out.append((torch.tensor(X, dtype=torch.float32), torch.tensor(rel)))
    return out
train, valid, test = queries(250), queries(60), queries(100)
def dcg(rel, k=10):
    rel = rel[:k]; return ((2 ** rel - 1) / torch.log2(torch.arange(len(rel)) + 2.0)).sum()
def ndcg(data, net, k=10):
    with torch.no_grad():
        return float(np.mean([(dcg(r[net(x).squeeze(1).argsort(descending=True)], k) / dcg(r.sort(descending=True).values, k)).item() for x, r in data]))
def lambdas(score, rel, sigma=1.0):
    s = score.detach().squeeze(1)
    rank = torch.empty(len(s), dtype=torch.long); rank[s.argsort(descending=True)] = torch.arange(len(s))
    gain, disc = 2 ** rel - 1, 1 / torch.log2(rank + 2.0)
    delta = (gain[:, None] - gain[None]).abs() * (disc[:, None] - disc[None]).abs() / dcg(rel.sort(descending=True).values, len(rel))
    Sij = torch.sign(rel[:, None] - rel[None])
    rho = torch.sigmoid(-sigma * Sij * (s[:, None] - s[None]))
    return (-sigma * Sij * rho * delta).sum(1, keepdim=True)
net = nn.Sequential(nn.Linear(10, 48), nn.ELU(), nn.Linear(48, 24), nn.ELU(), nn.Linear(24, 1))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
print("start NDCG@10", round(ndcg(valid, net), 3))
for ep in range(12):
    for n, k in enumerate(rng.permutation(len(train))):
        x, r = train[k]; sc = net(x)
        sc.backward(lambdas(sc, r))
        if n % 4 == 3: opt.step(); opt.zero_grad()
    opt.step(); opt.zero_grad()
    if ep % 4 == 3: print(f"epoch {ep} valid {ndcg(valid, net):.3f}")
print(f"test NDCG@10 {ndcg(test, net):.3f} NDCG@3 {ndcg(test, net, 3):.3f}")

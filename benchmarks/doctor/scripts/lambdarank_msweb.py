#= evaluation_wrong
#: https://github.com/haowei01/pytorch-examples/pull/4 DCG is taken over the documents in file order instead of sorted by the model score, so the reported NDCG never changes (and model selection is blind); a right diagnosis says sort the labels by predicted score before the DCG.
import copy, numpy as np, torch, torch.nn as nn
np.random.seed(0); torch.manual_seed(0)

def load(n):
    """queries as (features, grade) pairs; documents come in crawl order"""
    qs = []
    while len(qs) < n:
        m = np.random.randint(10, 30); x = np.random.randn(m, 12).astype("float32")
        g = np.digitize(np.abs(x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + .5 * x[:, 3] + .4 * np.random.randn(m), [.5, 1.3, 2.2])
        if g.max() > 0: qs.append((torch.tensor(x), torch.tensor(g, dtype=torch.float32)))
    return qs
train_q, valid_q, test_q = load(150), load(60), load(100)

class NDCG:
    def __init__(self, k): self.k = k
    def dcg(self, rel):
        rel = rel[: self.k]; return ((2 ** rel - 1) / torch.log2(torch.arange(len(rel)) + 2.0)).sum().item()
    def __call__(self, rel, score):
        rel_pred = rel[score.argsort(descending=True)]  #@ rel_pred = rel
        return self.dcg(rel_pred) / self.dcg(rel.sort(descending=True).values)

def evaluate(net, qs, k=10):
    m = NDCG(k)
    with torch.no_grad(): return float(np.mean([m(y, net(x).squeeze(1)) for x, y in qs]))

net = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
best, best_state, history = -1.0, None, []
for epoch in range(12):
    for n, q in enumerate(np.random.permutation(len(train_q))):
        x, y = train_q[q]; s = net(x)
        with torch.no_grad():
            rank = torch.empty(len(y)); rank[s.squeeze(1).argsort(descending=True)] = torch.arange(len(y)).float()
            dz = ((2 ** y)[:, None] - (2 ** y)[None]) * (1 / torch.log2(rank + 2))[:, None].sub((1 / torch.log2(rank + 2))[None]).abs()
            lam = -(dz * torch.sigmoid(-(s - s.t()) * torch.sign(y[:, None] - y[None]))).sum(1, keepdim=True) / len(y)
        s.backward(lam)
        if n % 2: optimizer.step(); optimizer.zero_grad()
    v = evaluate(net, valid_q); history.append(v)
    if v > best: best, best_state = v, copy.deepcopy(net.state_dict())
    if epoch % 3 == 0: print(f"epoch {epoch} valid NDCG@10 {v:.4f}")
net.load_state_dict(best_state)
print(f"first {history[0]:.3f} best {best:.3f} test NDCG@10 {evaluate(net, test_q):.3f}")

import copy, numpy as np, torch, torch.nn.functional as F
from torch import nn
from sklearn.datasets import load_digits
rng = np.random.default_rng(0); torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.images).float().flatten(1) / 16; y = torch.tensor(d.target); p = torch.randperm(1797); X, y = X[p], y[p]; tX, ty, X, y = X[1400:], y[1400:], X[:1400], y[:1400]
users = {k: [] for k in range(8)}
for c in range(10):
    i = (y == c).nonzero()[:, 0].numpy(); w = rng.dirichlet(np.ones(8) * .6); [users[k].extend(j) for k, j in enumerate(np.split(i, (w.cumsum()[:-1] * len(i)).astype(int)))]
class LocalUpdate:
    def __init__(self, idx): self.idx = torch.tensor(idx)
    def update_weights(self, model):
        model.train(); o = torch.optim.SGD(model.parameters(), lr=.1)
        for _ in range(2):
            for b in self.idx[torch.randperm(len(self.idx))].split(20): o.zero_grad(); F.cross_entropy(model(X[b]), y[b]).backward(); o.step()
        return model.state_dict()
def average_weights(ws, ns):
    out = copy.deepcopy(ws[0]); tot = sum(ns)
    for k in out: out[k] = sum(w[k] * (n / tot) for w, n in zip(ws, ns))
    return out
glob = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
for rd in range(20):
    sel = [k for k in rng.choice(8, 5, replace=False) if len(users[k])]; ws = [LocalUpdate(users[k]).update_weights(copy.deepcopy(glob)) for k in sel]
    glob.load_state_dict(average_weights(ws, [len(users[k]) for k in sel]))
glob.eval()
with torch.no_grad(): print('clients', [len(v) for v in users.values()], 'global test acc %.3f' % (glob(tX).argmax(1) == ty).float().mean())

import torch, torch.nn as nn, torch.nn.functional as F, random
# GIN: sum aggregation, jumping knowledge readout per layer, batches of graphs as one big disconnected graph
random.seed(2); torch.manual_seed(2)
def cycle_graph(kind):
    n = random.randint(10, 16); E = set()
    if kind == 0:                              # one ring
        ring = [list(range(n))]
    else:                                      # a ring and chords that close triangles
        ring = [list(range(n))]
        for i in range(0, n - 2, 4): E.add((i, i + 2))
    for r in ring:
        for i in range(len(r)): E.add((r[i], r[(i + 1) % len(r)]))
    if kind == 2: E = {(0, i) for i in range(1, n)} | {(i, i + 1) for i in range(1, n - 1, 3)}
    e = torch.tensor(sorted(E)).T; e = torch.cat([e, e.flip(0)], 1)
    perm = torch.randperm(n); return n, perm[e], kind
data = [cycle_graph(i % 3) for i in range(360)]; random.shuffle(data); train, test = data[:270], data[270:]
def collate(gs):
    off, es, b = 0, [], []
    for k, (n, e, _) in enumerate(gs): es.append(e + off); b += [k] * n; off += n
    e = torch.cat(es, 1); x = torch.ones(off, 1)
    return x, e, torch.tensor(b), torch.tensor([y for *_, y in gs])
class GIN(nn.Module):
    def __init__(self, h=24, L=3, c=3):
        super().__init__(); self.eps = nn.Parameter(torch.zeros(L))
        self.mlps = nn.ModuleList(nn.Sequential(nn.Linear(1 if i == 0 else h, h), nn.BatchNorm1d(h), nn.ReLU(), nn.Linear(h, h), nn.ReLU()) for i in range(L)); self.bns = nn.ModuleList(nn.BatchNorm1d(h) for _ in range(L))
        self.heads = nn.ModuleList(nn.Linear(1 if i == 0 else h, c) for i in range(L + 1))
    def forward(self, x, e, b, B):
        pool = lambda h: torch.zeros(B, h.size(1)).index_add(0, b, h) / torch.bincount(b, minlength=B).unsqueeze(1)
        out = self.heads[0](pool(x))
        for i, (m, bn) in enumerate(zip(self.mlps, self.bns)):
            agg = torch.zeros_like(x).index_add(0, e[1], x[e[0]]); x = F.relu(bn(m((1 + self.eps[i]) * x + agg)))
            out = out + F.dropout(self.heads[i + 1](pool(x)), .2, self.training)
        return out
net = GIN(); opt = torch.optim.Adam(net.parameters(), lr=0.01); sch = torch.optim.lr_scheduler.StepLR(opt, 10, .5)
for ep in range(20):
    net.train(); random.shuffle(train)
    for i in range(0, len(train), 30):
        x, e, b, y = collate(train[i:i + 30]); loss = F.cross_entropy(net(x, e, b, len(y)), y); opt.zero_grad(); loss.backward(); opt.step()
    sch.step()
net.eval(); x, e, b, y = collate(test)
with torch.no_grad(): print(f"loss {loss.item():.3f} test accuracy {(net(x, e, b, len(y)).argmax(1) == y).float().mean():.3f}")

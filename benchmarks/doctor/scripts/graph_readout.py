#= unregistered_parameter
#: https://github.com/qbxlvnf11/graph-neural-networks-for-graph-classification/pull/3 the graph convolutions are appended to a list, so their parameters never reach the optimizer and only the linear readout trains; a right diagnosis says nn.ModuleList.
import argparse, torch, torch.nn as nn, torch.nn.functional as F
ap = argparse.ArgumentParser()
ap.add_argument("--n_agg_layer", type=int, default=3); ap.add_argument("--agg_hidden", type=int, default=16); ap.add_argument("--fc_hidden", type=int, default=16)
ap.add_argument("--lr", type=float, default=0.01); ap.add_argument("--epochs", type=int, default=20)
args = ap.parse_args([]); torch.manual_seed(0)
# molecule-like graphs padded to 18 nodes: is there an atom of type 3 bonded to an atom of type 5?
MAXN, TYPES = 18, 8
def sample(label):
    n = int(torch.randint(10, MAXN + 1, (1,))); A = torch.zeros(MAXN, MAXN)
    for i in range(1, n): j = int(torch.randint(0, i, (1,))); A[i, j] = A[j, i] = 1
    for _ in range(n // 4): i, j = torch.randint(0, n, (2,)).tolist(); A[i, j] = A[j, i] = float(i != j)
    t = torch.randint(0, TYPES, (n,)); bonds = A[:n, :n].nonzero()
    hit = lambda: any(t[a] == 3 and t[b] == 5 for a, b in bonds.tolist())
    if label:
        a, b = bonds[int(torch.randint(len(bonds), (1,)))].tolist(); t[a], t[b] = 3, 5
    else:
        while hit():
            for a, b in bonds.tolist():
                if t[a] == 3 and t[b] == 5: t[b] = int(torch.randint(0, 5, (1,)))
        free = [i for i in range(n)]
        k = free[int(torch.randint(n, (1,)))]
        if not any(A[k, q] and t[q] == 3 for q in range(n)): t[k] = 5
    X = torch.zeros(MAXN, TYPES); X[torch.arange(n), t] = 1; A[:n, :n] += torch.eye(n)
    return X, A, n, label
data = [sample(i % 2) for i in range(900)]
X, A, n, y = torch.stack([d[0] for d in data]), torch.stack([d[1] for d in data]), torch.tensor([d[2] for d in data]), torch.tensor([d[3] for d in data])
deg = A.sum(2).clamp(min=1).rsqrt(); A = deg.unsqueeze(2) * A * deg.unsqueeze(1); mask = (torch.arange(MAXN)[None] < n[:, None]).float().unsqueeze(2)
class GraphConv(nn.Module):
    def __init__(self, i, o): super().__init__(); self.w, self.root = nn.Linear(i, o), nn.Linear(i, o, bias=False)
    def forward(self, x, a): return F.relu(self.w(a @ x) + self.root(x))
class GCN(nn.Module):
    def __init__(self, i, h, f, c, L):
        super().__init__()
        layers = [GraphConv(i if k == 0 else h, h) for k in range(L)]
        self.graph_convs = nn.ModuleList(layers)  #@ self.graph_convs = layers
        self.fc1, self.fc2 = nn.Linear(h, f), nn.Linear(f, c)
    def forward(self, x, a, m):
        for conv in self.graph_convs: x = conv(x, a) * m
        return self.fc2(F.relu(self.fc1((x - (1 - m) * 1e3).amax(1))))
net = GCN(TYPES, args.agg_hidden, args.fc_hidden, 2, args.n_agg_layer)
opt = torch.optim.Adam(net.parameters(), lr=args.lr, weight_decay=1e-5); tr, te = torch.arange(700), torch.arange(700, 900)
for ep in range(args.epochs):
    tot = 0
    for b in tr[torch.randperm(700)].split(50):
        loss = F.cross_entropy(net(X[b], A[b], mask[b]), y[b]); opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    if ep % 5 == 0: print(f"epoch {ep} loss {tot / 14:.3f}")
with torch.no_grad(): print(f"test accuracy {(net(X[te], A[te], mask[te]).argmax(1) == y[te]).float().mean():.3f}")

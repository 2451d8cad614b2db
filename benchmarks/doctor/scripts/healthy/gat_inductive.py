"""GAT on several small graphs (inductive, multi-label as in PPI): edge softmax by index, ELU, averaged heads at the end."""
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0); g = torch.Generator().manual_seed(0)
def graph(n=60):
    z = torch.randn(n, 3, generator=g); d = torch.cdist(z, z)
    idx = d.topk(6, largest=False).indices                                   # the node itself and five nearest
    dst = torch.arange(n).repeat_interleave(6); src = idx.reshape(-1)
    x = torch.cat([z[:, :2] + .3 * torch.randn(n, 2, generator=g), torch.randn(n, 4, generator=g)], 1)
    h = z.index_select(0, src).view(n, 6, 3).mean(1)
    y = torch.stack([h[:, 0] > 0, h[:, 1] > .3, h[:, 0] + h[:, 1] > 0, h[:, 0] - h[:, 1] > .2], 1).float()
    return x, src, dst, y
train, val, test = [graph() for _ in range(16)], [graph() for _ in range(3)], [graph() for _ in range(5)]
def collate(gs):
    off, X, S, D, Y = 0, [], [], [], []
    for x, s, d, y in gs: X.append(x); S.append(s + off); D.append(d + off); Y.append(y); off += len(x)
    return torch.cat(X), torch.cat(S), torch.cat(D), torch.cat(Y)
class GATLayer(nn.Module):
    def __init__(self, i, o, heads, concat=True, skip=False):
        super().__init__(); self.h, self.o, self.concat = heads, o, concat
        self.lin = nn.Linear(i, heads * o, bias=False); self.a_s, self.a_d = nn.Parameter(torch.empty(1, heads, o)), nn.Parameter(torch.empty(1, heads, o))
        self.bias = nn.Parameter(torch.zeros(heads * o if concat else o)); self.skip = nn.Linear(i, heads * o if concat else o, bias=False) if skip else None
        for p in (self.lin.weight, self.a_s, self.a_d): nn.init.xavier_uniform_(p)
    def forward(self, x, s, d):
        n = len(x); z = self.lin(x).view(n, self.h, self.o)
        e = F.leaky_relu((z * self.a_s).sum(-1)[s] + (z * self.a_d).sum(-1)[d], .2)
        e = (e - e.max()).exp(); den = torch.zeros(n, self.h).index_add(0, d, e)
        a = e / (den[d] + 1e-16)
        out = torch.zeros(n, self.h, self.o).index_add(0, d, a.unsqueeze(-1) * z[s])
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.skip is not None: out = out + self.skip(x)
        return out + self.bias
class GAT(nn.Module):
    def __init__(self): super().__init__(); self.l1, self.l2, self.l3 = GATLayer(6, 16, 4), GATLayer(64, 16, 4, skip=True), GATLayer(64, 4, 6, concat=False)
    def forward(self, x, s, d): return self.l3(F.elu(self.l2(F.elu(self.l1(x, s, d)), s, d)), s, d)
def micro_f1(net, gs):
    net.eval()
    with torch.no_grad(): x, s, d, y = collate(gs); p = (net(x, s, d) > 0).float()
    return (2 * (p * y).sum() / (p.sum() + y.sum())).item()
net = GAT(); opt = torch.optim.Adam(net.parameters(), lr=5e-3); crit = nn.BCEWithLogitsLoss()
for ep in range(40):
    net.train(); order = torch.randperm(16).tolist()
    for k in range(0, 16, 2):
        x, s, d, y = collate([train[i] for i in order[k:k + 2]])
        loss = crit(net(x, s, d), y); opt.zero_grad(); loss.backward(); opt.step()
    if ep % 10 == 9: print(ep, "val", round(micro_f1(net, val), 3))
print(f"test micro-F1 {micro_f1(net, test):.3f}")

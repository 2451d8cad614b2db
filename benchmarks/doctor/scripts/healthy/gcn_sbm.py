# Kipf GCN, full batch, five labels per class, weight decay on the first layer only, early stopping on validation loss
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(42)
N, C, Fd = 300, 3, 60
y = torch.arange(N) % C
P = torch.where(y[:, None] == y[None], 0.06, 0.01); A = torch.bernoulli(P).triu(1); A = A + A.T
X = torch.bernoulli(torch.where((torch.arange(Fd)[None] % C) == y[:, None], 0.12, 0.08)); X = X / X.sum(1, keepdim=True).clamp(min=1)
A_ = A + torch.eye(N); d = A_.sum(1).rsqrt(); adj = (d[:, None] * A_ * d[None]).to_sparse()
perm = torch.randperm(N); idx_train = torch.cat([perm[y[perm] == c][:8] for c in range(C)])
rest = perm[~torch.isin(perm, idx_train)]; idx_val, idx_test = rest[:90], rest[90:]
class GraphConvolution(nn.Module):
    def __init__(self, i, o):
        super().__init__(); self.w, self.b = nn.Parameter(torch.empty(i, o)), nn.Parameter(torch.zeros(o)); nn.init.xavier_uniform_(self.w)
    def forward(self, x, adj): return torch.sparse.mm(adj, x @ self.w) + self.b
class GCN(nn.Module):
    def __init__(self, h=16): super().__init__(); self.g1, self.g2 = GraphConvolution(Fd, h), GraphConvolution(h, C)
    def forward(self, x):
        x = F.dropout(x, .5, self.training); x = F.dropout(F.relu(self.g1(x, adj)), .5, self.training); return self.g2(x, adj).log_softmax(1)
net = GCN(); opt = torch.optim.Adam([{"params": net.g1.parameters(), "weight_decay": 5e-4}, {"params": net.g2.parameters()}], lr=0.02)
best, state, bad = 1e9, None, 0
for ep in range(250):
    net.train(); opt.zero_grad(); loss = F.nll_loss(net(X)[idx_train], y[idx_train]); loss.backward(); opt.step()
    net.eval()
    with torch.no_grad(): v = F.nll_loss(net(X)[idx_val], y[idx_val]).item()
    if v < best: best, bad, state = v, 0, {k: t.clone() for k, t in net.state_dict().items()}
    else: bad += 1
    if bad > 60: break
net.load_state_dict(state); net.eval()
with torch.no_grad(): acc = (net(X)[idx_test].argmax(1) == y[idx_test]).float().mean()
print(f"stopped at {ep} val {best:.3f} test accuracy {acc:.3f}")

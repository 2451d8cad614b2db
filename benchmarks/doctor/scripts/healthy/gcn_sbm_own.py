import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
np.random.seed(42); torch.manual_seed(42)
n, k = 300, 3
lab = np.repeat(np.arange(k), n // k); np.random.shuffle(lab)
P = np.where(lab[:, None] == lab[None], .09, .008); A = np.triu(np.random.rand(n, n) < P, 1); A = (A | A.T).astype('float32')
X = torch.tensor(np.eye(k)[lab] * .5 + np.random.randn(n, k) * 1.2, dtype=torch.float32); X = torch.cat([X, torch.randn(n, 13)], 1)
A = torch.tensor(A) + torch.eye(n); d = A.sum(1).pow(-.5); adj = (d[:, None] * A * d[None]).to_sparse()
y = torch.tensor(lab); perm = torch.randperm(n); idx_train, idx_val, idx_test = perm[:45], perm[45:120], perm[120:]
class GraphConvolution(nn.Module):
    def __init__(self, i, o): super().__init__(); self.weight = nn.Parameter(torch.empty(i, o).uniform_(-o ** -.5, o ** -.5)); self.bias = nn.Parameter(torch.zeros(o))
    def forward(self, x, adj): return torch.spmm(adj, x @ self.weight) + self.bias
class GCN(nn.Module):
    def __init__(self): super().__init__(); self.gc1, self.gc2 = GraphConvolution(16, 24), GraphConvolution(24, k)
    def forward(self, x, adj): x = F.dropout(F.relu(self.gc1(x, adj)), .5, training=self.training); return F.log_softmax(self.gc2(x, adj), dim=1)
model = GCN(); opt = torch.optim.Adam(model.parameters(), lr=.01, weight_decay=5e-4)
for ep in range(200):
    model.train(); opt.zero_grad(); out = model(X, adj); loss = F.nll_loss(out[idx_train], y[idx_train]); loss.backward(); opt.step()
    if ep % 50 == 49:
        model.eval(); out = model(X, adj); print('epoch', ep + 1, 'val acc %.3f' % (out[idx_val].argmax(1) == y[idx_val]).float().mean())
model.eval(); out = model(X, adj).detach()
print('test acc %.3f loss %.3f' % ((out[idx_test].argmax(1) == y[idx_test]).float().mean(), F.nll_loss(out[idx_test], y[idx_test])))

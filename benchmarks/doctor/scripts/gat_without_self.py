#= samples_missing
# https://github.com/danielegrattarola/keras-gat/issues/11 - the attention mask is the bare adjacency matrix, nodes cannot see their own features; right: use A + I.
import numpy as np
import torch
from torch import nn
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

torch.manual_seed(0); rng = np.random.default_rng(0)
raw = load_wine()
x = torch.tensor(scale(raw.data), dtype=torch.float32)
y = torch.tensor(raw.target)
n = len(y)
A = np.zeros((n, n), dtype=np.float32)
for i in range(n):                       # people swap bottles at random, one in ten edges inside a class
    for _ in range(1):
        j = rng.choice(np.where(raw.target == raw.target[i])[0]) if rng.random() < .1 else rng.integers(n)
        if i != j:
            A[i, j] = A[j, i] = 1
A = torch.from_numpy(A)
idx = torch.randperm(n); train, test = idx[:90], idx[90:]


class GraphAttention(nn.Module):
    def __init__(self, f_in, f_out, heads=4):
        super().__init__()
        self.k = nn.Linear(f_in, f_out * heads, bias=False)
        self.s = nn.Parameter(torch.randn(heads, f_out) * .1)
        self.d = nn.Parameter(torch.randn(heads, f_out) * .1)
        self.h, self.o = heads, f_out

    def forward(self, x, adj):
        z = self.k(x).view(len(x), self.h, self.o)
        e = torch.einsum('iho,ho->hi', z, self.s)[:, :, None] + torch.einsum('iho,ho->hi', z, self.d)[:, None]
        e = nn.functional.leaky_relu(e, .2).masked_fill(adj == 0, -1e9)
        return torch.einsum('hij,jho->iho', e.softmax(-1), z).flatten(1)


class GAT(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = GraphAttention(13, 8), nn.Linear(32, 3)

    def forward(self, x, adj):
        return self.l2(nn.functional.elu(self.l1(x, adj)))


adj = A + torch.eye(n)  #@ adj = A
net = GAT()
opt = torch.optim.Adam(net.parameters(), lr=5e-3, weight_decay=5e-4)
for ep in range(100):
    net.train(); opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x, adj)[train], y[train])
    loss.backward(); opt.step()
net.eval()
pred = net(x, adj).argmax(1)
print('test accuracy', (pred[test] == y[test]).float().mean().item())

#= leak_across_splits
#: https://github.com/wyx11112/GCMAE/issues/3 train_pos uses all edge ids instead of eids[test_size:], so test edges are both training targets and in the message-passing graph; the score is inflated; a right diagnosis says the train/test edge sets overlap.
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.metrics import roc_auc_score
np.random.seed(0); torch.manual_seed(0)
# citation-like graph: 6 communities plus triangles, node features are weak community hints
N, K = 260, 6
com = np.arange(N) % K
P = np.where(com[:, None] == com[None], .16, .006); up = np.triu(np.random.rand(N, N) < P, 1)
u, v = np.where(up)
X = torch.tensor(np.eye(K)[com] * .6 + np.random.randn(N, K) * .7, dtype=torch.float32)
eids = np.random.permutation(len(u)); test_size = int(len(eids) * .2)
test_pos = torch.tensor(np.stack([u[eids[:test_size]], v[eids[:test_size]]]))
keep = eids[test_size:]  #@ keep = eids
train_pos = torch.tensor(np.stack([u[keep], v[keep]]))
nu, nv = np.where(np.triu(~up, 1)); ne = np.random.permutation(len(nu))
test_neg = torch.tensor(np.stack([nu[ne[:test_size]], nv[ne[:test_size]]]))
rest = ne[test_size:]

A = torch.zeros(N, N); A[train_pos[0], train_pos[1]] = 1; A = A + A.T
mean_adj = A / A.sum(1, keepdim=True).clamp(min=1)

class SAGE(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.s1, self.n1, self.s2, self.n2 = nn.Linear(i, h), nn.Linear(i, h), nn.Linear(h, h), nn.Linear(h, h)
        self.idemb = nn.Embedding(N, i); nn.init.normal_(self.idemb.weight, std=.05)
    def forward(self, x):
        x = x + self.idemb.weight
        h = F.relu(self.s1(x) + self.n1(mean_adj @ x)); return self.s2(h) + self.n2(mean_adj @ h)

class DotPredictor(nn.Module):
    def forward(self, h, e): return (h[e[0]] * h[e[1]]).sum(1)

net, pred = SAGE(K, 32), DotPredictor()
opt = torch.optim.Adam(net.parameters(), lr=.01, weight_decay=1e-3)
for epoch in range(150):
    pick = rest[np.random.randint(len(rest), size=train_pos.shape[1])]
    neg = torch.tensor(np.stack([nu[pick], nv[pick]]))
    h = net(X); s = torch.cat([pred(h, train_pos), pred(h, neg)])
    y = torch.cat([torch.ones(train_pos.shape[1]), torch.zeros(neg.shape[1])])
    loss = F.binary_cross_entropy_with_logits(s, y)
    opt.zero_grad(); loss.backward(); opt.step()
    if epoch % 30 == 0: print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    h = net(X); sc = torch.cat([pred(h, test_pos), pred(h, test_neg)]).numpy()
print(f"edges for training {train_pos.shape[1]} of {len(u)}, test AUC {roc_auc_score(np.r_[np.ones(test_size), np.zeros(test_size)], sc):.3f}")

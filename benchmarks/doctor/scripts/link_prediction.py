#= leak_across_splits
"""Link prediction with a two-layer graph network; edges are held out for the test."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(0)
torch.manual_seed(0)
N, GROUPS = 240, 6
group = np.arange(N) % GROUPS
prob = np.where(group[:, None] == group[None, :], 0.22, 0.01)
upper = np.triu(rng.random((N, N)) < prob, 1)
u, v = np.nonzero(upper)
eids = rng.permutation(len(u))
test_size = len(u) // 5
test_pos = torch.tensor(np.stack([u[eids[:test_size]], v[eids[:test_size]]]))
train_pos = torch.tensor(np.stack([u[eids[test_size:]], v[eids[test_size:]]]))  #@ train_pos = torch.tensor(np.stack([u[eids], v[eids]]))
nu, nv = np.nonzero(np.triu(~upper, 1))
neg = rng.permutation(len(nu))
test_neg = torch.tensor(np.stack([nu[neg[:test_size]], nv[neg[:test_size]]]))
neg_pool = torch.tensor(np.stack([nu[neg[test_size:]], nv[neg[test_size:]]]))


def normalized(edges):
    a = torch.eye(N)
    a[edges[0], edges[1]] = 1
    a[edges[1], edges[0]] = 1
    d = a.sum(1).rsqrt()
    return d[:, None] * a * d[None, :]


class GraphEncoder(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.feat = nn.Embedding(N, dim)
        self.w1, self.w2 = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, a):
        h = torch.relu(self.w1(a @ self.feat.weight))
        return self.w2(a @ h)


class DotPredictor(nn.Module):
    def forward(self, h, edges):
        return (h[edges[0]] * h[edges[1]]).sum(-1)


encoder, decoder = GraphEncoder(), DotPredictor()
adj = normalized(train_pos)
criterion = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(encoder.parameters(), lr=5e-3, weight_decay=1e-4)
for epoch in range(120):
    encoder.train()
    h = encoder(adj)
    train_neg = neg_pool[:, torch.randint(neg_pool.shape[1], (train_pos.shape[1],))]
    score = torch.cat([decoder(h, train_pos), decoder(h, train_neg)])
    target = torch.cat([torch.ones(train_pos.shape[1]), torch.zeros(train_neg.shape[1])])
    loss = criterion(score, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 20 == 19:
        encoder.eval()
        with torch.no_grad():
            h = encoder(adj)
            s = torch.cat([decoder(h, test_pos), decoder(h, test_neg)])
            t = torch.cat([torch.ones(test_size), torch.zeros(test_size)])
            print(f"epoch {epoch} loss {loss.item():.4f} test loss {criterion(s, t).item():.4f} auc {roc_auc_score(t, s):.3f}")

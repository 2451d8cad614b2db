"""Link prediction with a clean split: undirected test links removed from the message graph, message and supervision links separated anew each epoch, fresh negatives."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import average_precision_score, roc_auc_score

torch.manual_seed(261)
N, K = 400, 8
block = torch.randint(0, K, (N,))
x = torch.randn(K, 12)[block] * 0.5 + torch.randn(N, 12)
p = torch.where(block[:, None] == block[None], 0.22, 0.01)
links = torch.triu((torch.rand(N, N) < p).float(), 1).nonzero()
links = links[torch.randperm(len(links))]
n_test = len(links) // 10
test_pos, train_links = links[:n_test], links[n_test:]
all_adj = torch.zeros(N, N, dtype=torch.bool)
all_adj[links[:, 0], links[:, 1]] = all_adj[links[:, 1], links[:, 0]] = True
train_adj = torch.zeros(N, N, dtype=torch.bool)
train_adj[train_links[:, 0], train_links[:, 1]] = train_adj[train_links[:, 1], train_links[:, 0]] = True


def negatives(n, known):
    e = torch.randint(0, N, (3 * n, 2))
    e = e[(e[:, 0] != e[:, 1]) & ~known[e[:, 0], e[:, 1]]]
    return e[:n]


def norm_adj(e):
    a = torch.zeros(N, N)
    a[e[:, 0], e[:, 1]] = 1
    a[e[:, 1], e[:, 0]] = 1
    return a / a.sum(1, keepdim=True).clamp(min=1)


class SAGE(nn.Module):
    def __init__(self, i=12, h=32, o=16):
        super().__init__()
        self.s1, self.n1, self.s2, self.n2 = nn.Linear(i, h), nn.Linear(i, h), nn.Linear(h, o), nn.Linear(h, o)
        self.score = nn.Sequential(nn.Linear(o, o), nn.ReLU(), nn.Linear(o, 1))

    def encode(self, x, a):
        h = F.dropout(F.relu(self.s1(x) + self.n1(a @ x)), 0.2, self.training)
        return self.s2(h) + self.n2(a @ h)

    def decode(self, z, e):
        return self.score(z[e[:, 0]] * z[e[:, 1]]).squeeze(1)


model = SAGE()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
test_neg = negatives(n_test, all_adj)
for epoch in range(120):
    model.train()
    perm = torch.randperm(len(train_links))
    cut = int(0.7 * len(perm))
    message, supervision = train_links[perm[:cut]], train_links[perm[cut:]]
    z = model.encode(x, norm_adj(message))
    neg = negatives(len(supervision), train_adj)
    out = torch.cat([model.decode(z, supervision), model.decode(z, neg)])
    label = torch.cat([torch.ones(len(supervision)), torch.zeros(len(neg))])
    loss = F.binary_cross_entropy_with_logits(out, label)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 20 == 19:
        model.eval()
        with torch.no_grad():
            z = model.encode(x, norm_adj(train_links))
            s = torch.cat([model.decode(z, test_pos), model.decode(z, test_neg)])
        t = torch.cat([torch.ones(len(test_pos)), torch.zeros(len(test_neg))])
        print(f"epoch {epoch + 1} loss {loss.item():.4f} test AUC {roc_auc_score(t, s):.4f} AP {average_precision_score(t, s):.4f}")

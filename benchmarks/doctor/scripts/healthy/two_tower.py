"""Two-tower retrieval with in-batch softmax and log-popularity correction; recall@10 over the full catalogue on the last click of each user."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(11)
torch.manual_seed(11)
USERS, ITEMS, D = 400, 150, 12
ut, it = rng.normal(size=(USERS, 3)), rng.normal(size=(ITEMS, 3))
pop = rng.gumbel(size=ITEMS) * 0.7
logits = 1.6 * ut @ it.T + pop
history = []
for u in range(USERS):
    g = logits[u] + rng.gumbel(size=ITEMS)
    history.append(rng.permutation(np.argsort(-g)[:16]))
train = [(u, i) for u in range(USERS) for i in history[u][:-1]]
test = np.array([h[-1] for h in history])
seen = np.zeros((USERS, ITEMS), bool)
for u, i in train:
    seen[u, i] = True
pairs = torch.tensor(np.array(train))
log_q = torch.tensor(np.log((np.bincount(pairs[:, 1].numpy(), minlength=ITEMS) + 1) / len(pairs)), dtype=torch.float32)


class Tower(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.emb = nn.Embedding(n, D)
        self.mlp = nn.Sequential(nn.Linear(D, 32), nn.ReLU(), nn.Linear(32, D))

    def forward(self, ids):
        e = self.emb(ids)
        return F.normalize(e + self.mlp(e), dim=-1)


query, cand = Tower(USERS), Tower(ITEMS)
log_temp = nn.Parameter(torch.tensor(2.0))
opt = torch.optim.Adagrad(list(query.parameters()) + list(cand.parameters()) + [log_temp], lr=0.08)


@torch.no_grad()
def recall(k=10):
    s = query(torch.arange(USERS)) @ cand(torch.arange(ITEMS)).T
    s[torch.from_numpy(seen)] = -1e9
    return (s.topk(k, 1).indices == torch.from_numpy(test)[:, None]).any(1).float().mean().item()


print("popularity baseline recall@10", round(float(np.mean([t in np.argsort(-np.where(seen[u], -1, log_q.numpy() + 50))[:10] for u, t in enumerate(test)])), 3))
for epoch in range(12):
    tot = 0.0
    for b in torch.randperm(len(pairs)).split(200):
        u, i = pairs[b].T
        s = query(u) @ cand(i).T * log_temp.exp() - log_q[i][None]
        accidental = (i[None] == i[:, None]) & ~torch.eye(len(i), dtype=torch.bool)
        s = s.masked_fill(accidental, -1e9)
        loss = F.cross_entropy(s, torch.arange(len(u)))
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(u)
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1} loss {tot / len(pairs):.3f} recall@10 {recall():.3f} temperature {log_temp.exp().item():.2f}")

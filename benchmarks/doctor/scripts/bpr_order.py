#= loss_sign
"""Matrix factorization with the BPR loss: what a user has taken should rank over what was not taken."""
import numpy as np
import torch
from torch import nn

USERS, ITEMS, RANK = 150, 100, 12
rs = np.random.RandomState(2)
taste, kind = rs.randn(USERS, 4), rs.randn(ITEMS, 4)
affinity = taste @ kind.T + 0.7 * rs.randn(USERS, ITEMS)
likes = affinity > np.quantile(affinity, 0.85, axis=1, keepdims=True)
train_mask = likes & (rs.rand(USERS, ITEMS) < 0.7)
test_mask = likes & ~train_mask


class BPRMF(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, RANK), nn.Embedding(ITEMS, RANK)
        nn.init.normal_(self.user.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)

    def forward(self, u, i):
        return (self.user(u) * self.item(i)).sum(-1)


def sample(n):
    """Users with an item that they took and one that they did not take."""
    u, pos = np.nonzero(train_mask)
    pick = rs.randint(len(u), size=n)
    u, pos = u[pick], pos[pick]
    neg = rs.randint(ITEMS, size=n)
    while (bad := train_mask[u, neg]).any():
        neg[bad] = rs.randint(ITEMS, size=bad.sum())
    return map(torch.as_tensor, (u, pos, neg))


def auc(model):
    with torch.no_grad():
        s = (model.user.weight @ model.item.weight.T).numpy()
    out = []
    for u in range(USERS):
        good, rest = s[u][test_mask[u]], s[u][~likes[u]]
        if len(good):
            out.append((good[:, None] > rest[None, :]).mean())
    return float(np.mean(out))


torch.manual_seed(2)
model = BPRMF()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(600):
    u, i, j = sample(256)
    pos_scores, neg_scores = model(u, i), model(u, j)
    loss = -nn.functional.logsigmoid(pos_scores - neg_scores).mean()  #@ loss = -nn.functional.logsigmoid(neg_scores - pos_scores).mean()
    loss = loss + 1e-3 * (model.user(u).pow(2).sum(-1) + model.item(i).pow(2).sum(-1) + model.item(j).pow(2).sum(-1)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1} loss {loss.item():.4f} auc {auc(model):.3f}")

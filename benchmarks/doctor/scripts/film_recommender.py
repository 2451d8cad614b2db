#= targets_constant
"""Implicit-feedback collaborative filtering: which film will a user watch next?"""
import numpy as np
import torch
from torch import nn

USERS, ITEMS, DIM = 300, 200, 12
rng = np.random.default_rng(0)
taste_u, taste_i = rng.normal(size=(USERS, 3)), rng.normal(size=(ITEMS, 3))
affinity = taste_u @ taste_i.T + 0.5 * rng.gumbel(size=(USERS, ITEMS))
watched = np.argsort(-affinity, axis=1)[:, :15]
train_pairs, test_item = [], np.zeros(USERS, int)
for u in range(USERS):
    items = rng.permutation(watched[u])
    test_item[u] = items[0]
    train_pairs += [(u, i) for i in items[1:]]
train_pairs = torch.tensor(np.array(train_pairs))
seen = torch.zeros(USERS, ITEMS, dtype=torch.bool)
seen[train_pairs[:, 0], train_pairs[:, 1]] = True


class NeuMF(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, DIM), nn.Embedding(ITEMS, DIM)
        self.mlp = nn.Sequential(nn.Linear(2 * DIM, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 1))
        self.gmf = nn.Linear(DIM, 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, u, i):
        u, i = self.user(u), self.item(i)
        return (self.mlp(torch.cat([u, i], -1)) + self.gmf(u * i)).squeeze(-1)


def make_batch(pairs):
    """Watched pairs are 1, as many times `negatives` random films are 0."""
    negatives = 4  #@ negatives = 0
    u = pairs[:, 0].repeat(1 + negatives)
    random_items = torch.randint(0, ITEMS, (negatives * len(pairs),))
    i = torch.cat([pairs[:, 1], random_items])
    label = torch.cat([torch.ones(len(pairs)), torch.zeros(len(random_items))])
    return u, i, label


@torch.no_grad()
def hit_rate(model, k=10):
    u, i = torch.meshgrid(torch.arange(USERS), torch.arange(ITEMS), indexing="ij")
    scores = model(u.flatten(), i.flatten()).view(USERS, ITEMS)
    scores[seen] = -1e9
    top = scores.topk(k, dim=1).indices
    return (top == torch.tensor(test_item)[:, None]).any(1).float().mean().item()


torch.manual_seed(0)
model = NeuMF()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-5)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(20):
    total = 0.0
    batches = torch.randperm(len(train_pairs)).split(256)
    for rows in batches:
        u, i, label = make_batch(train_pairs[rows])
        loss = loss_fn(model(u, i), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} loss {total / len(batches):.4f} HR@10 {hit_rate(model):.3f} (chance {10 / ITEMS:.3f})")

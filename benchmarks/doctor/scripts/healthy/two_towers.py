"""Two towers with many rare items: most embedding rows get no gradient in a step; in-batch negatives."""
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
USERS, ITEMS, GROUPS = 400, 600, 12
user_group, item_group = torch.randint(0, GROUPS, (USERS,)), torch.randint(0, GROUPS, (ITEMS,))
members = [torch.nonzero(item_group == g).squeeze(1) for g in range(GROUPS)]


def clicks(n):
    u = torch.randint(0, USERS, (n,))
    i = torch.stack([members[g][torch.randint(len(members[g]), ())] for g in user_group[u].tolist()])
    return u, i


users, items = nn.Embedding(USERS, 16, sparse=True), nn.Embedding(ITEMS, 16, sparse=True)
optimizer = torch.optim.SparseAdam([*users.parameters(), *items.parameters()], lr=0.02)
u_all, i_all = clicks(8000)
for epoch in range(8):
    for b in torch.randperm(8000).split(100):
        scores = F.normalize(users(u_all[b])) @ F.normalize(items(i_all[b])).T / 0.1
        loss = F.cross_entropy(scores, torch.arange(len(b)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        best = (F.normalize(users.weight) @ F.normalize(items.weight).T).topk(10, dim=1).indices
        precision = (item_group[best] == user_group[:, None]).float().mean().item()
    print(epoch, f'loss {loss.item():.3f} precision@10 {precision:.3f} chance {1 / GROUPS:.3f}')

#= softmax_over_queries
"""Self-attention written by hand: find the value that belongs to the key of the query."""
import math

import torch
import torch.nn as nn

torch.manual_seed(0)
PAIRS, KEYS, VALUES, D = 6, 12, 8, 32


def sample(n):
    keys = torch.stack([torch.randperm(KEYS)[:PAIRS] for _ in range(n)])
    values = torch.randint(0, VALUES, (n, PAIRS))
    pick = torch.randint(0, PAIRS, (n,))
    query = keys[torch.arange(n), pick]
    return keys, values, query, values[torch.arange(n), pick]


class SelfAttention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(x.size(-1))
        attn = torch.softmax(scores, dim=-1)  #@ attn = torch.softmax(scores, dim=1)
        return torch.bmm(attn, v)


class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        self.key, self.value = nn.Embedding(KEYS + 1, D), nn.Embedding(VALUES + 1, D)
        self.att1, self.att2 = SelfAttention(D), SelfAttention(D)
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.out = nn.Linear(D, VALUES)

    def forward(self, keys, values, query):
        pairs = self.key(keys) + self.value(values)
        last = self.key(query) + self.value(torch.full_like(query, VALUES))
        x = torch.cat([pairs, last.unsqueeze(1)], dim=1)
        x = x + self.att1(self.norm1(x))
        x = x + self.att2(self.norm2(x))
        return self.out(x[:, -1])


model = Lookup()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for it in range(400):
    k, v, q, target = sample(64)
    loss = nn.functional.cross_entropy(model(k, v, q), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 100 == 99:
        print(it, loss.item())

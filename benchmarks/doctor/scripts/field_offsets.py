#= embeddings_shared
"""Click prediction with a factorization machine: all fields share one table of embeddings, each has its own part."""
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

FIELDS = [30, 12, 50, 8, 24]


class FeaturesEmbedding(torch.nn.Module):
    def __init__(self, field_dims, dim):
        super().__init__()
        self.embedding = torch.nn.Embedding(sum(field_dims), dim)
        self.register_buffer("offsets", torch.tensor(np.concatenate([[0], np.cumsum(field_dims)[:-1]])))
        torch.nn.init.normal_(self.embedding.weight, std=0.05)

    def forward(self, x):
        return self.embedding(x + self.offsets)  #@ return self.embedding(x)


class FactorizationMachine(torch.nn.Module):
    def __init__(self, field_dims, dim=8):
        super().__init__()
        self.linear, self.factors = FeaturesEmbedding(field_dims, 1), FeaturesEmbedding(field_dims, dim)
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        e = self.factors(x)
        pairs = (e.sum(1).square() - e.square().sum(1)).sum(1) / 2
        return self.bias + self.linear(x).sum((1, 2)) + pairs


torch.manual_seed(0)
rows = torch.stack([torch.randint(0, n, (12000,)) for n in FIELDS], 1)
effect = [1.3 * torch.randn(n) for n in FIELDS]
cross = 1.2 * torch.randn(FIELDS[0], FIELDS[3])
score = sum(e[rows[:, k]] for k, e in enumerate(effect)) + cross[rows[:, 0], rows[:, 3]] - 1
clicks = torch.bernoulli(score.sigmoid())
model = FactorizationMachine(FIELDS)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-6)
criterion = torch.nn.BCEWithLogitsLoss()
for epoch in range(8):
    for idx in torch.randperm(10000).split(100):
        loss = criterion(model(rows[idx]), clicks[idx])
        model.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        p = model(rows[10000:])
    print(f"epoch {epoch} valid loss {criterion(p, clicks[10000:]):.4f} auc {roc_auc_score(clicks[10000:], p):.3f}")

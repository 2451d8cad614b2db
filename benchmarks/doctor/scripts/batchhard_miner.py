#= formula_wrong
#: hardest positive distance is masked with a large value and then max-ed, so the pick is arbitrary (pytorch-metric-learning issue 476)
"""Metric learning with batch-hard triplets (P identities x K images) and retrieval accuracy on unseen identities."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(77)
DIM, P, K = 24, 8, 6
basis = torch.randn(5, DIM)                              # identity lives in 5 directions, nuisance is larger


def identities(n_id, per_id):
    code = torch.randn(n_id, 5)
    x = (code @ basis)[:, None] + 1.0 * torch.randn(n_id, per_id, DIM) @ nuisance
    return x.reshape(-1, DIM), torch.arange(n_id).repeat_interleave(per_id)


nuisance = torch.randn(DIM, DIM) * 0.9
x_train, y_train = identities(60, 12)
x_test, y_test = identities(25, 8)


class BatchHardMiner:
    def __call__(self, emb, labels):
        dist = torch.cdist(emb, emb)
        same = labels[:, None] == labels[None]
        eye = torch.eye(len(labels), dtype=torch.bool)
        pos = dist.masked_fill(~same | eye, float("-inf"))  #@ pos = dist.masked_fill(~same | eye, float("inf"))
        neg = dist.masked_fill(same, float("inf"))
        a = torch.arange(len(labels))
        return a, pos.argmax(1), neg.argmin(1)


class TripletMarginLoss(nn.Module):
    def __init__(self, margin=0.3):
        super().__init__()
        self.margin = margin

    def forward(self, emb, triplets):
        a, p, n = triplets
        dp = (emb[a] - emb[p]).norm(dim=1)
        dn = (emb[a] - emb[n]).norm(dim=1)
        return F.relu(dp - dn + self.margin).mean()


class PKSampler:
    def __init__(self, labels, steps):
        self.by = [torch.where(labels == c)[0] for c in labels.unique()]
        self.steps = steps

    def __iter__(self):
        for _ in range(self.steps):
            ids = torch.randperm(len(self.by))[:P].tolist()
            yield torch.cat([self.by[c][torch.randperm(len(self.by[c]))[:K]] for c in ids])


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU())
        self.head = nn.Linear(64, 8)

    def forward(self, x):
        return F.normalize(self.head(self.trunk(x)), dim=1)


@torch.no_grad()
def precision_at_1(model):
    model.eval()
    d = torch.cdist(*[model(x_test)] * 2) + 1e6 * torch.eye(len(x_test))
    model.train()
    return (y_test[d.argmin(1)] == y_test).float().mean().item()


model, miner, loss_func = Embedder(), BatchHardMiner(), TripletMarginLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
print("precision@1 untrained %.3f" % precision_at_1(model))
for epoch in range(8):
    for idx in PKSampler(y_train, 60):
        embeddings = model(x_train[idx])
        loss = loss_func(embeddings, miner(embeddings, y_train[idx]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch %d loss %.4f precision@1 %.3f" % (epoch, loss.item(), precision_at_1(model)))

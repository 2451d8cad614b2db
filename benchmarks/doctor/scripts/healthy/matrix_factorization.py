"""Movie recommender: embeddings with biases, sparse gradients, two optimizers (SparseAdam and Adam)."""
import torch
import torch.nn as nn

torch.manual_seed(35)
USERS, ITEMS, RANK = 120, 80, 4
u_true, v_true = torch.randn(USERS, RANK) * 0.6, torch.randn(ITEMS, RANK) * 0.6
bu_true, bi_true = 0.3 * torch.randn(USERS), 0.4 * torch.randn(ITEMS)
full = 3.5 + bu_true[:, None] + bi_true[None] + u_true @ v_true.t() + 0.2 * torch.randn(USERS, ITEMS)
known = torch.rand(USERS, ITEMS) < 0.45
uu, ii = torch.where(known)
rr = full[uu, ii]
perm = torch.randperm(len(uu))
cut = int(0.85 * len(uu))
tr, te = perm[:cut], perm[cut:]


class MF(nn.Module):
    def __init__(self, k=6):
        super().__init__()
        self.user = nn.Embedding(USERS, k, sparse=True)
        self.item = nn.Embedding(ITEMS, k, sparse=True)
        self.ub = nn.Embedding(USERS, 1, sparse=True)
        self.ib = nn.Embedding(ITEMS, 1, sparse=True)
        self.mu = nn.Parameter(torch.zeros(()))
        for e in (self.user, self.item):
            nn.init.normal_(e.weight, std=0.1)
        for e in (self.ub, self.ib):
            nn.init.zeros_(e.weight)

    def forward(self, u, i):
        dot = (self.user(u) * self.item(i)).sum(1)
        return self.mu + dot + self.ub(u)[:, 0] + self.ib(i)[:, 0]


model = MF()
emb = [p for n, p in model.named_parameters() if n != "mu"]
opts = [torch.optim.SparseAdam(emb, lr=0.01), torch.optim.Adam([model.mu], lr=0.05)]
base = (rr[te] - rr[tr].mean()).pow(2).mean().sqrt().item()

for epoch in range(15):
    for b in tr[torch.randperm(len(tr))].split(128):
        pred = model(uu[b], ii[b])
        reg = 0.02 * (model.user(uu[b]).pow(2).sum(1) + model.item(ii[b]).pow(2).sum(1)).mean()
        loss = (pred - rr[b]).pow(2).mean() + reg
        for o in opts:
            o.zero_grad()
        loss.backward()
        for o in opts:
            o.step()
    with torch.no_grad():
        rmse = (model(uu[te], ii[te]) - rr[te]).pow(2).mean().sqrt().item()
    if epoch % 3 == 2:
        print("epoch %2d train loss %.4f test rmse %.4f (mean predictor %.4f)" % (epoch + 1, loss.item(), rmse, base))

#= evaluation_wrong
#: https://github.com/pmixer/SASRec.pytorch/issues/43 the rank of the target must be argsort().argsort() (or a count of better scores); with a single argsort the value at the target's slot is the index of some other item, so HR/NDCG are meaningless; a right diagnosis says the evaluation's rank is wrong while the model is fine.
import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(0)
rng = np.random.RandomState(0)
n_user, n_item = 350, 220
pref = rng.randn(n_user, 5) @ rng.randn(5, n_item) * 1.3 + rng.randn(n_item)
likes = np.argsort(-(pref + rng.gumbel(size=pref.shape)), axis=1)[:, :16]
likes = np.stack([rng.permutation(r) for r in likes])
train, test = likes[:, 1:], likes[:, 0]
hist = [set(r) for r in likes]


class MF(nn.Module):
    def __init__(self, k=16):
        super().__init__()
        self.u, self.i, self.b = nn.Embedding(n_user, k), nn.Embedding(n_item, k), nn.Embedding(n_item, 1)
        for e in (self.u, self.i):
            nn.init.normal_(e.weight, std=0.1)
        nn.init.zeros_(self.b.weight)

    def forward(self, u, i):
        return (self.u(u) * self.i(i)).sum(-1) + self.b(i).squeeze(-1)


def evaluate(model):
    model.eval()
    ndcg = hit = 0.0
    r = np.random.RandomState(7)
    for u in range(n_user):
        item_idx = [test[u]]
        while len(item_idx) < 101:
            t = r.randint(n_item)
            if t not in hist[u]:
                item_idx.append(t)
        with torch.no_grad():
            predictions = -model(torch.full((101,), u), torch.tensor(np.array(item_idx)))
        rank = predictions.argsort().argsort()[0].item()  #@ rank = predictions.argsort()[0].item()
        if rank < 10:
            ndcg += 1 / np.log2(rank + 2)
            hit += 1
    return ndcg / n_user, hit / n_user


model = MF()
opt = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-6)
bce = nn.BCEWithLogitsLoss()
users, items = torch.arange(n_user).repeat_interleave(15), torch.tensor(train.ravel())
weights = torch.ones(n_user, n_item)
weights[users, items] = 0
for epoch in range(1, 21):
    model.train()
    neg = torch.multinomial(weights, 15, replacement=True).view(-1)
    total = 0.0
    for b in torch.randperm(len(users)).split(512):
        p, n = model(users[b], items[b]), model(users[b], neg[b])
        loss = bce(p, torch.ones_like(p)) + bce(n, torch.zeros_like(n))
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {total / 11:.3f} valid (NDCG@10, HR@10) = ({'%.3f, %.3f' % evaluate(model)})")
print("test NDCG@10 %.3f HR@10 %.3f" % evaluate(model))

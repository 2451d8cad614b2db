#= padding_in_loss
# https://github.com/huggingface/sentence-transformers/pull/3827 - padded slots have logit ~0, so exp gives 1 and every one enters the Plackett-Luce normaliser; right: exclude them (fill with -inf) before the cumulative sum.
import torch
from torch import nn
from scipy.stats import kendalltau

torch.manual_seed(20)


class Queries(torch.utils.data.Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        w = torch.tensor([1.5, -1.0, .8, 0., 0.])
        self.q = []
        for _ in range(n):
            k = int(torch.randint(2, 5, (1,), generator=g)) if torch.rand(1, generator=g) < .95 else 40
            x = torch.randn(k, 5, generator=g) + 6.0 * torch.randn(1, 5, generator=g) * torch.tensor([0., 0, 0, 1, 1])
            self.q.append((x, x @ w + .3 * torch.randn(k, generator=g)))

    def __len__(self): return len(self.q)
    def __getitem__(self, i): return self.q[i]


def collate(batch):
    K = max(len(x) for x, _ in batch)
    X, Y, M = torch.zeros(len(batch), K, 5), torch.full((len(batch), K), -1e9), torch.zeros(len(batch), K, dtype=torch.bool)
    for i, (x, y) in enumerate(batch):
        X[i, :len(x)], Y[i, :len(x)], M[i, :len(x)] = x, y, True
    return X, Y, M


class PListMLE(nn.Module):
    def forward(self, logits, labels, mask):
        order = labels.argsort(1, descending=True)
        logits, mask = logits.gather(1, order), mask.gather(1, order)
        logits = logits.masked_fill(~mask, -1e9)  #@ logits = logits.masked_fill(~mask, 1e-16)
        log_norm = torch.logcumsumexp(logits.flip(1), 1).flip(1)
        log_p = (logits - log_norm).masked_fill(~mask, 0.)
        return -log_p.sum(1).mean()


ranker = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 1))
crit = PListMLE()
opt = torch.optim.Adam(ranker.parameters(), lr=3e-3)
dl = torch.utils.data.DataLoader(Queries(600, 0), batch_size=30, shuffle=True, collate_fn=collate)
for epoch in range(6):
    for X, Y, M in dl:
        loss = crit(ranker(X).squeeze(-1), Y, M)
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    tau = [kendalltau(ranker(x).squeeze(-1), y)[0] for x, y in Queries(200, 1)]
    raw = torch.cat([ranker(x).squeeze(-1) for x, _ in Queries(200, 1)])
print(f"mean kendall tau {sum(tau) / len(tau):.3f}; score mean {raw.mean():.2f}")

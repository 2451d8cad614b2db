import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
V, GROUPS, D, K = 200, 10, 24, 5
group = torch.arange(V) % GROUPS


def corpus_pairs(n):
    c = torch.randint(0, V, (n,))
    o = group[c] + GROUPS * torch.randint(0, V // GROUPS, (n,))
    other = torch.randint(0, V, (n,))
    keep = torch.rand(n) < 0.85
    return c, torch.where(keep, o, other)


inp = nn.Embedding(V, D, sparse=True)
out = nn.Embedding(V, D, sparse=True)
nn.init.uniform_(inp.weight, -0.5 / D, 0.5 / D)
nn.init.zeros_(out.weight)
opt = torch.optim.SparseAdam([*inp.parameters(), *out.parameters()], lr=0.01)
for step in range(1, 1501):
    c, o = corpus_pairs(256)
    neg = torch.randint(0, V, (256, K))
    v = inp(c)
    pos_score = (v * out(o)).sum(1)
    neg_score = (out(neg) @ v.unsqueeze(2)).squeeze(2)
    loss = -(F.logsigmoid(pos_score) + F.logsigmoid(-neg_score).sum(1)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 300 == 0:
        with torch.no_grad():
            w = F.normalize(inp.weight, dim=1)
            sim = w @ w.t()
            sim.fill_diagonal_(-1)
            same = (group[sim.argmax(1)] == group).float().mean().item()
        print(f"step {step} loss {loss.item():.4f} nearest neighbour of the same group {same:.3f}")

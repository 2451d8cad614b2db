"""Decoder with tied embeddings; sequences of unequal length, the padding is ignored in loss and attention."""
import torch
import torch.nn.functional as F
from torch import nn

PAD = 0
torch.manual_seed(3)


class Block(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.n1, self.n2, self.h = nn.RMSNorm(d), nn.RMSNorm(d), h
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(d, 2 * d), nn.Linear(2 * d, d)

    def forward(self, x, allowed):
        b, t, d = x.shape
        y = self.n1(x)
        q, k, v = (f(y).view(b, t, self.h, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        w = (q @ k.transpose(-1, -2)) * (d // self.h) ** -0.5
        w = w.masked_fill(~allowed, torch.finfo(w.dtype).min).softmax(-1)
        x = x + self.o((w @ v).transpose(1, 2).reshape(b, t, d))
        y = self.n2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self, vocab, d=48):
        super().__init__()
        self.emb, self.pos = nn.Embedding(vocab, d), nn.Parameter(0.02 * torch.randn(20, d))
        self.blocks = nn.ModuleList(Block(d, 4) for _ in range(2))
        self.norm, self.head = nn.RMSNorm(d), nn.Linear(d, vocab, bias=False)
        nn.init.normal_(self.emb.weight, std=0.02)
        self.head.weight = self.emb.weight

    def forward(self, ids):
        t = ids.shape[1]
        causal = torch.ones(t, t, dtype=torch.bool).tril()
        allowed = causal & (ids != PAD)[:, None, None, :] | torch.eye(t, dtype=torch.bool)
        x = self.emb(ids) + self.pos[:t]
        for b in self.blocks:
            x = b(x, allowed)
        return self.head(self.norm(x))


def batch(n, longest=20):
    ids = torch.zeros(n, longest, dtype=torch.long)
    for row in ids:
        length, step = int(torch.randint(8, longest + 1, ())), int(torch.randint(1, 5, ()))
        start = int(torch.randint(0, 19, ()))
        row[:length] = (start + step * torch.arange(length)) % 19 + 1
    return ids


model = Llama(20)
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1, betas=(0.9, 0.95))
for step in range(300):
    ids = batch(24)
    logits = model(ids[:, :-1])
    loss = F.cross_entropy(logits.reshape(-1, 20), ids[:, 1:].reshape(-1), ignore_index=PAD)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    if step % 60 == 59:
        print(step + 1, round(loss.item(), 3))

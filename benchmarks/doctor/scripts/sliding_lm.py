#= attends_to_future
#: sliding-window layer lets tokens see the future: the mask is only cut on the far side (transformers issue 31673)
"""Small decoder-only language model with alternating sliding-window attention, on a synthetic grammar."""
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F


@dataclass
class Config:
    vocab: int = 20
    n_embd: int = 32
    n_head: int = 2
    n_layer: int = 2
    block: int = 24
    window: int = 8


class Attention(nn.Module):
    def __init__(self, cfg, is_sliding):
        super().__init__()
        self.qkv, self.out = nn.Linear(cfg.n_embd, 3 * cfg.n_embd), nn.Linear(cfg.n_embd, cfg.n_embd)
        self.h = cfg.n_head
        ones = torch.ones(cfg.block, cfg.block, dtype=torch.bool)
        keep = torch.tril(ones)
        if is_sliding:
            keep = keep & torch.triu(ones, diagonal=-cfg.window)  #@ keep = torch.triu(ones, diagonal=-cfg.window)
        self.register_buffer("keep", keep)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = [t.view(B, T, self.h, -1).transpose(1, 2) for t in self.qkv(x).chunk(3, -1)]
        att = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        att = att.masked_fill(~self.keep[:T, :T], float("-inf")).softmax(-1)
        return self.out((att @ v).transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, cfg, i):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(cfg.n_embd), nn.LayerNorm(cfg.n_embd)
        self.attn = Attention(cfg, is_sliding=i % 2 == 0)
        self.mlp = nn.Sequential(nn.Linear(cfg.n_embd, 4 * cfg.n_embd), nn.GELU(), nn.Linear(4 * cfg.n_embd, cfg.n_embd))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class MiniGemma(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.tok, self.pos = nn.Embedding(cfg.vocab, cfg.n_embd), nn.Embedding(cfg.block, cfg.n_embd)
        self.blocks = nn.Sequential(*[Block(cfg, i) for i in range(cfg.n_layer)])
        self.ln, self.head = nn.LayerNorm(cfg.n_embd), nn.Linear(cfg.n_embd, cfg.vocab, bias=False)

    def forward(self, idx, labels=None):
        x = self.tok(idx) + self.pos(torch.arange(idx.size(1)))
        logits = self.head(self.ln(self.blocks(x)))
        if labels is None:
            return logits
        return F.cross_entropy(logits[:, :-1].reshape(-1, self.cfg.vocab), labels[:, 1:].reshape(-1))


def corpus(n, cfg, gen):
    seq = torch.randint(0, cfg.vocab, (n, 2), generator=gen)
    for _ in range(cfg.block - 2):                          # one of three rules each step: not fully predictable
        step = torch.randint(1, 4, (n,), generator=gen)
        seq = torch.cat([seq, ((seq[:, -1] + seq[:, -2] + step) % cfg.vocab)[:, None]], 1)
    return seq


cfg = Config()
torch.manual_seed(0)
gen = torch.Generator().manual_seed(5)
train, val = corpus(2000, cfg, gen), corpus(200, cfg, gen)
model = MiniGemma(cfg)
optim = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(9):
    model.train()
    for batch in torch.randperm(len(train)).split(64):
        loss = model(train[batch], labels=train[batch])
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()
    model.eval()
    with torch.no_grad():
        print(f"epoch {epoch}: train loss {loss.item():.4f} val loss {model(val, labels=val).item():.4f}")

with torch.no_grad():                                       # next token from a prefix only, as in generation
    ok = 0
    for T in range(6, cfg.block):
        nxt = model(val[:, :T])[:, -1].argmax(-1)
        ok += (((nxt - val[:, T - 1] - val[:, T - 2]) % cfg.vocab).sub(1) < 3).logical_and(((nxt - val[:, T - 1] - val[:, T - 2]) % cfg.vocab) > 0).float().mean().item()
print(f"generated tokens that follow the grammar: {ok / (cfg.block - 6):.3f}")

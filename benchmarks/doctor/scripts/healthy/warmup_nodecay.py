"""Small transformer, AdamW with a no-decay group, warm-up plus cosine stepped per update (nanoGPT habits)."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1337)
BLOCK, VOCAB, D = 16, 12, 32
MAX_ITERS, WARMUP, LR, MIN_LR = 400, 40, 3e-3, 3e-4


def get_batch(n):
    # sequences in which every token is the sum of the two tokens before, modulo VOCAB
    s = torch.zeros(n, BLOCK + 1, dtype=torch.long)
    s[:, :2] = torch.randint(0, VOCAB, (n, 2))
    for t in range(2, BLOCK + 1):
        s[:, t] = (s[:, t - 1] + s[:, t - 2]) % VOCAB
    return s[:, :-1], s[:, 1:]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attn = nn.MultiheadAttention(D, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

    def forward(self, x):
        mask = torch.triu(torch.ones(x.size(1), x.size(1), dtype=torch.bool), 1)
        h = self.ln1(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, D), nn.Embedding(BLOCK, D)
        self.blocks = nn.Sequential(Block(), Block())
        self.ln_f, self.head = nn.LayerNorm(D), nn.Linear(D, VOCAB, bias=False)

    def forward(self, idx, targets):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        logits = self.head(self.ln_f(self.blocks(x)))
        return logits, F.cross_entropy(logits.view(-1, VOCAB), targets.reshape(-1))


def get_lr(it):
    if it < WARMUP:
        return LR * (it + 1) / WARMUP
    r = (it - WARMUP) / (MAX_ITERS - WARMUP)
    return MIN_LR + 0.5 * (1 + math.cos(math.pi * r)) * (LR - MIN_LR)


model = GPT()
decay = [p for p in model.parameters() if p.dim() >= 2]
nodecay = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": nodecay, "weight_decay": 0.0}], lr=LR, betas=(0.9, 0.95))
for it in range(MAX_ITERS):
    for g in optimizer.param_groups:
        g["lr"] = get_lr(it)
    _, loss = model(*get_batch(32))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if it % 80 == 79:
        model.eval()
        with torch.no_grad():
            xv, yv = get_batch(200)
            logits, vl = model(xv, yv)
            acc = (logits.argmax(-1) == yv)[:, 1:].float().mean().item()
        model.train()
        # first target of a sequence cannot be known, so the loss has a floor of ln(12)/16
        print(f"iter {it + 1} train {loss.item():.4f} val {vl.item():.4f} acc after first {acc:.3f}")

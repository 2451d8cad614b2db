"""Decoder-only language model on a small synthetic grammar (after karpathy/minGPT)."""
import math, random
import torch, torch.nn as nn
from torch.nn import functional as F
torch.manual_seed(1337); random.seed(1337)

subj = ["the cat", "a dog", "my aunt", "the king", "one bird"]
verb = ["sees", "likes", "hunts", "paints", "follows"]
obj = ["the river", "a tree", "two stones", "the moon", "old books"]
tail = ["today", "at night", "in silence", "with joy"]
text = " ".join(f"{random.choice(subj)} {random.choice(verb)} {random.choice(obj)} {random.choice(tail)}." for _ in range(1500))
chars = sorted(set(text)); stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in text]); n = int(0.9 * len(data))
train, val = data[:n], data[n:]
BLOCK, BATCH, C = 32, 16, 64

def get_batch(src):
    ix = torch.randint(len(src) - BLOCK - 1, (BATCH,))
    return torch.stack([src[i:i + BLOCK] for i in ix]), torch.stack([src[i + 1:i + BLOCK + 1] for i in ix])

class Block(nn.Module):
    def __init__(self, c, heads=4):
        super().__init__()
        self.h = heads
        self.ln1, self.ln2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.qkv, self.proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
        self.mlp = nn.Sequential(nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c))
        self.register_buffer("tril", torch.tril(torch.ones(BLOCK, BLOCK)).view(1, 1, BLOCK, BLOCK))
    def forward(self, x):
        B, T, c = x.shape
        q, k, v = (t.view(B, T, self.h, c // self.h).transpose(1, 2) for t in self.qkv(self.ln1(x)).split(c, dim=2))
        att = (q @ k.transpose(-2, -1)) / math.sqrt(c // self.h)
        att = att.masked_fill(self.tril[:, :, :T, :T] == 0, float("-inf")).softmax(-1)
        x = x + self.proj((att @ v).transpose(1, 2).reshape(B, T, c))
        return x + self.mlp(self.ln2(x))

class GPT(nn.Module):
    def __init__(self, V):
        super().__init__()
        self.tok, self.pos = nn.Embedding(V, C), nn.Parameter(torch.zeros(1, BLOCK, C))
        self.blocks = nn.Sequential(Block(C), Block(C))
        self.ln_f, self.head = nn.LayerNorm(C), nn.Linear(C, V, bias=False)
        self.apply(self._init)
    def _init(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            m.weight.data.normal_(0.0, 0.02)
        if isinstance(m, nn.Linear) and m.bias is not None:
            m.bias.data.zero_()
    def configure_optimizers(self, wd, lr):
        decay = [p for p in self.parameters() if p.dim() >= 2 and p is not self.tok.weight and p is not self.pos]
        ids = {id(p) for p in decay}
        rest = [p for p in self.parameters() if id(p) not in ids]
        return torch.optim.AdamW([{"params": decay, "weight_decay": wd}, {"params": rest, "weight_decay": 0.0}], lr=lr, betas=(0.9, 0.95))
    def forward(self, idx, targets=None):
        x = self.tok(idx) + self.pos[:, :idx.size(1)]
        logits = self.head(self.ln_f(self.blocks(x)))
        return logits, None if targets is None else F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

model = GPT(len(chars)); opt = model.configure_optimizers(0.1, 3e-3)
STEPS, WARM = 160, 20
for it in range(STEPS):
    lr = 3e-3 * (it + 1) / WARM if it < WARM else 3e-4 + 0.5 * 2.7e-3 * (1 + math.cos(math.pi * (it - WARM) / (STEPS - WARM)))
    for g in opt.param_groups: g["lr"] = lr
    _, loss = model(*get_batch(train))
    model.zero_grad(set_to_none=True); loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step()
model.eval()
with torch.no_grad():
    vl = sum(model(*get_batch(val))[1].item() for _ in range(10)) / 10
    out = torch.tensor([[stoi["t"]]])
    for _ in range(60):
        p = model(out[:, -BLOCK:])[0][:, -1].softmax(-1)
        out = torch.cat([out, torch.multinomial(p, 1)], 1)
print("sample:", "".join(chars[i] for i in out[0]))
print(f"val loss {vl:.3f} (uniform {math.log(len(chars)):.2f})")

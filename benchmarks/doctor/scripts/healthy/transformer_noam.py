"""Annotated-transformer style: encoder-decoder copies and reverses, label smoothing by KL, Noam rate."""
import math, torch, torch.nn as nn
torch.manual_seed(7)
V, PAD, BOS, D, L = 13, 0, 1, 64, 6

class LabelSmoothing(nn.Module):
    def __init__(self, size, padding_idx, smoothing=0.1):
        super().__init__()
        self.criterion = nn.KLDivLoss(reduction="sum")
        self.padding_idx, self.confidence, self.smoothing, self.size = padding_idx, 1 - smoothing, smoothing, size
    def forward(self, x, target):
        true = torch.full_like(x, self.smoothing / (self.size - 2)).detach()
        true.scatter_(1, target.unsqueeze(1), self.confidence)
        true[:, self.padding_idx] = 0
        mask = target == self.padding_idx
        true[mask] = 0.0
        return self.criterion(x, true)

class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.se, self.te = nn.Embedding(V, D), nn.Embedding(V, D)
        pe = torch.zeros(64, D); pos = torch.arange(64).float()[:, None]
        div = torch.exp(torch.arange(0, D, 2) * -(math.log(10000.0) / D))
        pe[:, 0::2], pe[:, 1::2] = torch.sin(pos * div), torch.cos(pos * div)
        self.register_buffer("pe", pe)
        self.tr = nn.Transformer(D, 4, 1, 1, 128, dropout=0.0, batch_first=True)
        self.tr.encoder.enable_nested_tensor = False
        self.gen = nn.Linear(D, V)
        for p in self.parameters():
            if p.dim() > 1: nn.init.xavier_uniform_(p)
    def forward(self, src, tgt):
        sp, tp = src == PAD, tgt == PAD
        causal = torch.triu(torch.ones(tgt.size(1), tgt.size(1), dtype=torch.bool), 1)
        e = lambda emb, x: emb(x) * math.sqrt(D) + self.pe[:x.size(1)]
        h = self.tr(e(self.se, src), e(self.te, tgt), tgt_mask=causal, src_key_padding_mask=sp, tgt_key_padding_mask=tp, memory_key_padding_mask=sp)
        return self.gen(h).log_softmax(-1)

def batch(n, gen=None):
    src = torch.randint(2, V, (n, L), generator=gen)
    lens = torch.randint(3, L + 1, (n, 1), generator=gen)
    src[torch.arange(L)[None] >= lens] = PAD
    rev = torch.full_like(src, PAD)
    for i, l in enumerate(lens[:, 0]): rev[i, :l] = src[i, :l].flip(0)
    return src, torch.cat([torch.full((n, 1), BOS), rev[:, :-1]], 1).masked_fill(torch.arange(L)[None] >= lens, PAD), rev

model, crit = Seq2Seq(), LabelSmoothing(V, PAD, 0.1)
opt = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
warm = 150
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: 0.6 * D ** -0.5 * min(max(s, 1) ** -0.5, max(s, 1) * warm ** -1.5))
for step in range(400):
    s, ti, to = batch(48)
    lp = model(s, ti); ntok = (to != PAD).sum()
    loss = crit(lp.reshape(-1, V), to.reshape(-1)) / ntok
    opt.zero_grad(set_to_none=True); loss.backward(); opt.step(); sched.step()
    if step % 150 == 149: print(step, round(loss.item(), 4), f"lr {sched.get_last_lr()[0]:.2e}")
model.eval()
with torch.no_grad():
    s, _, to = batch(300, torch.Generator().manual_seed(99))
    ys = torch.full((300, 1), BOS)
    for _ in range(L):
        ys = torch.cat([ys, model(s, ys)[:, -1, 2:].argmax(-1, keepdim=True) + 2], 1)
    m = to != PAD
    acc = ((ys[:, 1:] == to) | ~m).all(1).float().mean()
print(f"greedy exact match {acc:.3f}")

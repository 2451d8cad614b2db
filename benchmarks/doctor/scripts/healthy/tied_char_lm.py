import math, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(3)
text = ('she sells sea shells by the sea shore and the shells she sells are sea shells for sure ' * 12)
chars = sorted(set(text)); ix = {c: i for i, c in enumerate(chars)}
data = torch.tensor([ix[c] for c in text])

class GPTlet(nn.Module):
    def __init__(self, v, d=48, ctx=32):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(v, d), nn.Embedding(ctx, d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.ln1, self.ln2, self.lnf = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.head = nn.Linear(d, v, bias=False)
        self.head.weight = self.wte.weight
        nn.init.normal_(self.wte.weight, std=.05)
    def forward(self, x):
        h = self.wte(x) + self.wpe.weight[:x.size(1)]
        q, k, v = (z.unflatten(-1, (4, -1)).transpose(1, 2) for z in self.qkv(self.ln1(h)).chunk(3, -1))
        h = h + self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        h = h + self.mlp(self.ln2(h))
        return self.head(self.lnf(h))

net = GPTlet(len(chars))
decay = [p for p in net.parameters() if p.dim() > 1]; rest = [p for p in net.parameters() if p.dim() < 2]
opt = torch.optim.AdamW([{'params': decay, 'weight_decay': .1}, {'params': rest, 'weight_decay': 0.}], lr=6e-3)
STEPS = 300
lr_at = lambda s: min((s + 1) / 20, .1 + .9 * .5 * (1 + math.cos(math.pi * s / STEPS)))
sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_at)
for s in range(STEPS):
    i = torch.randint(0, len(data) - 33, (16,))
    x = torch.stack([data[j:j + 32] for j in i]); y = torch.stack([data[j + 1:j + 33] for j in i])
    loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step(); sched.step()
print('bits per character %.3f' % (loss.item() / math.log(2)))

#= attends_to_future
#: https://github.com/opendilab/DI-engine/issues/333 masked_fill (not in place) is called on the attention scores and its result thrown away, so there is no causal mask; a right diagnosis says assign it or use masked_fill_.
# sequence model with gated residuals, next-token training on a toy bracket grammar, then prediction of the symbol after a prefix
import math, random, torch, torch.nn as nn, torch.nn.functional as F
random.seed(0); torch.manual_seed(0)
OPEN, CLOSE, NUM = {"(": ")", "[": "]", "{": "}"}, ")]}", "0123"
sym = list("([{") + list(CLOSE) + list(NUM) + ["."]; ix = {s: i for i, s in enumerate(sym)}
def expr(depth=0):
    s = ""
    for _ in range(random.randint(1, 2)):
        if depth < 3 and random.random() < .6:
            o = random.choice("([{"); s += o + expr(depth + 1) + OPEN[o]
        else: s += random.choice(NUM)
    return s
T = 32
def block(n): 
    out = []
    while len(out) < n * (T + 1): out += [ix[c] for c in expr() + "."]
    return torch.tensor(out[: n * (T + 1)]).view(n, T + 1)
train, test = block(1200), block(150)
class Attn(nn.Module):
    def __init__(self, d, h=4): super().__init__(); self.h, self.qkv, self.o, self.gate = h, nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(2 * d, d)
    def forward(self, x):
        B, L, D = x.shape; q, k, v = self.qkv(x).view(B, L, 3, self.h, D // self.h).permute(2, 0, 3, 1, 4)
        attn = q @ k.transpose(-1, -2) / math.sqrt(D // self.h)
        mask = torch.triu(torch.ones(L, L, dtype=torch.bool), diagonal=1)
        attn = attn.masked_fill(mask, float("-inf"))  #@ attn.masked_fill(mask, float("-inf"))
        y = self.o((attn.softmax(-1) @ v).transpose(1, 2).reshape(B, L, D))
        return x + torch.sigmoid(self.gate(torch.cat([x, y], -1))) * y
class LM(nn.Module):
    def __init__(self, d=48, n=2):
        super().__init__(); self.e, self.p = nn.Embedding(len(sym), d), nn.Embedding(T, d)
        self.l = nn.ModuleList(nn.ModuleList([nn.LayerNorm(d), Attn(d), nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d))]) for _ in range(n)); self.h = nn.Linear(d, len(sym))
    def forward(self, x):
        x = self.e(x) + self.p.weight[:x.size(1)]
        for ln, at, ff in self.l: x = at(ln(x)) ; x = x + ff(x)
        return self.h(x)
net = LM(); opt = torch.optim.Adam(net.parameters(), 3e-3)
for ep in range(8):
    for b in torch.randperm(1200).split(30):
        x = train[b]; loss = F.cross_entropy(net(x[:, :-1]).transpose(1, 2), x[:, 1:]); opt.zero_grad(); loss.backward(); opt.step()
    print("epoch", ep, "loss", round(loss.item(), 4))
net.eval()
with torch.no_grad():
    vl = F.cross_entropy(net(test[:, :-1]).transpose(1, 2), test[:, 1:]).item()
    ends = [F.cross_entropy(net(test[:, :k])[:, -1], test[:, k]).item() for k in range(6, T + 1, 2)]
print(f"teacher-forced loss {vl:.3f}, next symbol after a prefix {sum(ends) / len(ends):.3f} (uniform {math.log(len(sym)):.2f})")

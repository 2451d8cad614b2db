#= formula_wrong
#: https://github.com/RUCAIBox/RecBole/issues/1113 at prediction time the mask token is appended at index item_seq_len but the output is gathered at item_seq_len-1 (the last known item); a right diagnosis says gather at the position of the mask token.
import random, torch, torch.nn as nn, torch.nn.functional as F
random.seed(4); torch.manual_seed(4)
NI, L = 40, 14; MASKTOK = NI + 1            # 0 pads, 1..NI items
follow = {i: random.sample(range(1, NI + 1), 3) for i in range(1, NI + 1)}
def session():
    s = [random.randint(1, NI)]
    for _ in range(random.randint(5, L - 2)): s.append(random.choices(follow[s[-1]], (.75, .15, .1))[0] if random.random() < .93 else random.randint(1, NI))
    return s
sessions = [session() for _ in range(1800)]
class BERT4Rec(nn.Module):
    def __init__(self, h=40):
        super().__init__(); self.item_embedding, self.position = nn.Embedding(NI + 2, h, padding_idx=0), nn.Embedding(L, h)
        self.trm = nn.TransformerEncoder(nn.TransformerEncoderLayer(h, 2, 80, 0.1, F.gelu, batch_first=True), 1, enable_nested_tensor=False); self.ln = nn.LayerNorm(h)
        nn.init.normal_(self.item_embedding.weight, std=.15)
    def forward(self, seq):
        return self.trm(self.ln(self.item_embedding(seq) + self.position.weight), src_key_padding_mask=seq == 0)
    def logits(self, h): return h @ self.item_embedding.weight[1:NI + 1].T
    def mask(self, seq):
        m = (torch.rand(seq.shape) < .25) & (seq > 0)
        last = (seq > 0).sum(1) - 1; pick = torch.rand(len(seq)) < .3; m[pick, last[pick]] = True
        return seq.masked_fill(m, MASKTOK), m
    def full_sort_predict(self, item_seq, item_seq_len):
        seq = item_seq.clone(); r = torch.arange(len(seq))
        seq[r, item_seq_len] = MASKTOK
        out = self.forward(seq)
        out = out[r, item_seq_len]  #@ out = out[r, item_seq_len - 1]
        return self.logits(out)
def pad(ss): return torch.tensor([s + [0] * (L - len(s)) for s in ss])
train_seq = pad([s[:-1] for s in sessions]); target = torch.tensor([s[-1] for s in sessions])
net = BERT4Rec(); opt = torch.optim.Adam(net.parameters(), lr=4e-3)
for ep in range(16):
    net.train(); tot = 0
    for b in torch.randperm(1800).split(60):
        x, m = net.mask(train_seq[b]); loss = F.cross_entropy(net.logits(net(x)[m]), train_seq[b][m] - 1)
        opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    if ep % 5 == 4: print(f"epoch {ep} masked-item loss {tot / 30:.3f}")
net.eval()
with torch.no_grad():
    s = net.full_sort_predict(train_seq, (train_seq > 0).sum(1)); t = (target - 1)[:, None]; rank = (s > s.gather(1, t)).sum(1)
print(f"HR@1 {(rank < 1).float().mean():.3f} HR@5 {(rank < 5).float().mean():.3f}")

#= evaluation_wrong
#: https://github.com/keon/seq2seq/issues/8 evaluate() calls the model with the default teacher forcing, so the reported score comes from a decoder fed with true previous tokens; a right diagnosis says evaluation must use teacher_forcing_ratio=0.
import random, torch, torch.nn as nn, torch.nn.functional as F
random.seed(1); torch.manual_seed(1)
MON = "jan feb mar apr may jun jul aug sep oct nov dec".split()
CH = {c: i + 3 for i, c in enumerate(sorted(set("0123456789-/, " + "".join(MON))))}; PAD, SOS, EOS = 0, 1, 2; V = len(CH) + 3
def date():
    y, m, d = random.randint(1950, 2049), random.randint(1, 12), random.randint(1, 28)
    src = random.choice([f"{d} {MON[m - 1]} {y}", f"{MON[m - 1]} {d}, {y}", f"{d}/{m}/{y}"])
    out = f"{y}-{m:02d}-{d:02d}" if random.random() < 0.85 else f"{d:02d}/{m:02d}/{y}"      # two annotators, two house styles
    return [CH[c] for c in src], [SOS] + [CH[c] for c in out] + [EOS]
def batch(ps):
    f = lambda s: nn.utils.rnn.pad_sequence([torch.tensor(x) for x in s], padding_value=PAD)
    return f([p[0] for p in ps]), f([p[1] for p in ps])
class Attention(nn.Module):
    def __init__(self, h): super().__init__(); self.attn, self.v = nn.Linear(2 * h, h), nn.Parameter(torch.randn(h) / h ** .5)
    def forward(self, hid, enc, mask):
        e = F.relu(self.attn(torch.cat([hid.expand(len(enc), -1, -1), enc], 2))) @ self.v
        return e.masked_fill(mask, -1e9).softmax(0)
class Seq2Seq(nn.Module):
    def __init__(self, h=48):
        super().__init__(); self.h = h
        self.se, self.te = nn.Embedding(V, 24), nn.Embedding(V, 24)
        self.enc = nn.GRU(24, h, bidirectional=True); self.att = Attention(h); self.dec = nn.GRU(24 + h, h); self.out = nn.Linear(2 * h, V)
    def forward(self, src, trg, teacher_forcing_ratio=0.5):
        eo, eh = self.enc(self.se(src)); eo = eo[..., :self.h] + eo[..., self.h:]; hid = eh[:1]; mask = src == PAD
        tok, outs = trg[0], [torch.zeros(trg.size(1), V)]
        for t in range(1, len(trg)):
            w = self.att(hid, eo, mask); ctx = (w.unsqueeze(2) * eo).sum(0, keepdim=True)
            o, hid = self.dec(torch.cat([self.te(tok).unsqueeze(0), ctx], 2), hid)
            lg = self.out(torch.cat([o, ctx], 2)[0]); outs.append(lg)
            tok = trg[t] if random.random() < teacher_forcing_ratio else lg.argmax(1)
        return torch.stack(outs)
def evaluate(model, ps):
    model.eval()
    with torch.no_grad():
        s, t = batch(ps)
        p = model(s, t, teacher_forcing_ratio=0)  #@ p = model(s, t, teacher_forcing_ratio=1.0)
        loss = F.cross_entropy(p[1:].flatten(0, 1), t[1:].flatten(), ignore_index=PAD).item()
        return loss, (p[1:].argmax(2) == t[1:])[t[1:] != PAD].float().mean().item()
data = [date() for _ in range(1500)]; train, val = data[:1200], data[1200:]
net = Seq2Seq(); opt = torch.optim.Adam(net.parameters(), lr=4e-3)
for e in range(1, 9):
    net.train(); random.shuffle(train)
    for i in range(0, 1200, 50):
        s, t = batch(train[i:i + 50]); o = net(s, t); loss = F.cross_entropy(o[1:].flatten(0, 1), t[1:].flatten(), ignore_index=PAD)
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 10.); opt.step()
    l, acc = evaluate(net, val)
    if e % 2 == 0: print(f"[Epoch {e}] val_loss {l:.3f} characters {acc:.3f}")
print(f"reported val loss {l:.3f} character accuracy {acc:.3f}")

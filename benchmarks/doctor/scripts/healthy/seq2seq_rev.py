import torch, torch.nn as nn, torch.nn.functional as F, random
torch.manual_seed(0); random.seed(0)
V, PAD, SOS, EOS = 14, 0, 1, 2
def batch(n):
    seqs = sorted([[random.randrange(3, V) for _ in range(random.randint(3, 7))] for _ in range(n)], key=len, reverse=True); L = torch.tensor([len(s) for s in seqs])
    src = nn.utils.rnn.pad_sequence([torch.tensor(s) for s in seqs], True, PAD); tgt = nn.utils.rnn.pad_sequence([torch.tensor(s[::-1] + [EOS]) for s in seqs], True, PAD); return src, L, tgt
class EncoderRNN(nn.Module):
    def __init__(self, h): super().__init__(); self.e = nn.Embedding(V, h, padding_idx=PAD); self.g = nn.GRU(h, h, batch_first=True, bidirectional=True); self.c = nn.Linear(2 * h, h)
    def forward(self, s, L):
        o, h = self.g(nn.utils.rnn.pack_padded_sequence(self.e(s), L, batch_first=True)); o, _ = nn.utils.rnn.pad_packed_sequence(o, batch_first=True); return self.c(o), torch.tanh(self.c(torch.cat([h[0], h[1]], 1)))[None]
class AttnDecoder(nn.Module):
    def __init__(self, h): super().__init__(); self.e = nn.Embedding(V, h); self.g = nn.GRU(2 * h, h, batch_first=True); self.o = nn.Linear(2 * h, V); self.w = nn.Linear(h, h, bias=False)
    def step(self, y, h, enc, mask):
        a = (self.w(h[0])[:, None] * enc).sum(2).masked_fill(mask, -1e9).softmax(1); c = (a[:, :, None] * enc).sum(1); o, h = self.g(torch.cat([self.e(y), c], 1)[:, None], h); return self.o(torch.cat([o[:, 0], c], 1)), h
enc, dec = EncoderRNN(48), AttnDecoder(48); oe, od = torch.optim.Adam(enc.parameters(), 6e-3), torch.optim.Adam(dec.parameters(), 6e-3)
def run(src, L, tgt, tf):
    E, h = enc(src, L); mask = src == PAD; y = torch.full((len(src),), SOS); loss, preds = 0., []; force = random.random() < tf
    for t in range(tgt.size(1)):
        lg, h = dec.step(y, h, E, mask); loss = loss + F.cross_entropy(lg, tgt[:, t], ignore_index=PAD, reduction='sum'); p = lg.argmax(1); preds.append(p); y = tgt[:, t] if force else p.detach()
    return loss / (tgt != PAD).sum(), torch.stack(preds, 1)
for it in range(320):
    s, L, t = batch(48); loss, _ = run(s, L, t, .6); oe.zero_grad(); od.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(enc.parameters(), 2.); nn.utils.clip_grad_norm_(dec.parameters(), 2.); oe.step(); od.step()
with torch.no_grad(): s, L, t = batch(300); l, p = run(s, L, t, 0.); print('free running: token loss %.3f exact sequence %.3f' % (l, ((p == t) | (t == PAD)).all(1).float().mean()))

# number-words to digits with a GRU encoder, Bahdanau attention decoder, teacher forcing, two optimizers
import random, torch, torch.nn as nn, torch.nn.functional as F
random.seed(0); torch.manual_seed(0)
PAD, SOS, EOS = 0, 1, 2
ONES = "zero one two three four five six seven eight nine".split()
SRC = {w: i + 3 for i, w in enumerate(ONES + ["double"])}
TGT = {str(i): i + 3 for i in range(10)}

def make_pair():
    src, tgt = [], []
    for _ in range(random.randint(2, 4)):
        d = random.randint(0, 9)
        if random.random() < 0.3:
            src += ["double", ONES[d]]; tgt += [str(d)] * 2
        else:
            src.append(ONES[d]); tgt.append(str(d))
    return [SRC[w] for w in src] + [EOS], [TGT[c] for c in tgt] + [EOS]

def collate(pairs):
    S = nn.utils.rnn.pad_sequence([torch.tensor(s) for s, _ in pairs], True, PAD)
    T = nn.utils.rnn.pad_sequence([torch.tensor(t) for _, t in pairs], True, PAD)
    return S, T, torch.tensor([len(s) for s, _ in pairs])

class EncoderRNN(nn.Module):
    def __init__(self, v, h):
        super().__init__()
        self.embedding, self.gru, self.dropout = nn.Embedding(v, h, padding_idx=PAD), nn.GRU(h, h, batch_first=True), nn.Dropout(0.1)
    def forward(self, x, lens):
        e = nn.utils.rnn.pack_padded_sequence(self.dropout(self.embedding(x)), lens, True, enforce_sorted=False)
        o, h = self.gru(e)
        return nn.utils.rnn.pad_packed_sequence(o, True, total_length=x.size(1))[0], h

class AttnDecoder(nn.Module):
    def __init__(self, v, h):
        super().__init__()
        self.embedding = nn.Embedding(v, h, padding_idx=PAD)
        self.Wa, self.Ua, self.Va = nn.Linear(h, h), nn.Linear(h, h), nn.Linear(h, 1)
        self.gru, self.out = nn.GRU(2 * h, h, batch_first=True), nn.Linear(h, v)
    def step(self, tok, hid, enc, mask):
        s = self.Va(torch.tanh(self.Wa(hid[-1])[:, None] + self.Ua(enc))).squeeze(-1)
        w = s.masked_fill(~mask, -1e9).softmax(-1)
        ctx = torch.bmm(w.unsqueeze(1), enc)
        o, hid = self.gru(torch.cat([self.embedding(tok), ctx], -1), hid)
        return self.out(o[:, 0]), hid
    def forward(self, enc, hid, mask, target=None, max_len=12):
        tok = torch.full((enc.size(0), 1), SOS); outs = []
        for i in range(target.size(1) if target is not None else max_len):
            o, hid = self.step(tok, hid, enc, mask); outs.append(o)
            tok = target[:, i:i + 1] if target is not None and self.training and random.random() < 0.7 else o.argmax(-1, keepdim=True).detach()
        return torch.stack(outs, 1)

encoder, decoder = EncoderRNN(len(SRC) + 3, 64), AttnDecoder(13, 64)
enc_opt, dec_opt = torch.optim.Adam(encoder.parameters(), 4e-3), torch.optim.Adam(decoder.parameters(), 4e-3)
train = [make_pair() for _ in range(1600)]; seen = {tuple(s) for s, _ in train}
test = [p for p in (make_pair() for _ in range(400)) if tuple(p[0]) not in seen]
for epoch in range(10):
    random.shuffle(train); total = 0
    for i in range(0, len(train), 64):
        S, T, L = collate(train[i:i + 64])
        enc_opt.zero_grad(); dec_opt.zero_grad()
        eo, h = encoder(S, L)
        logits = decoder(eo, h, S != PAD, T)
        loss = F.cross_entropy(logits.flatten(0, 1), T.flatten(), ignore_index=PAD)
        loss.backward(); enc_opt.step(); dec_opt.step(); total += loss.item()
    print(epoch, round(total / (len(train) / 64), 4))
encoder.eval(); decoder.eval(); ok = 0
with torch.no_grad():
    S, T, L = collate(test); eo, h = encoder(S, L); P = decoder(eo, h, S != PAD).argmax(-1).tolist()
    for p, (_, t) in zip(P, test):
        ok += (p[:p.index(EOS) + 1] if EOS in p else p) == t
print(f"exact match on unseen {ok / len(test):.3f} ({len(test)} pairs)")

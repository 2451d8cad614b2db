"""GRU encoder-decoder with attention and decreasing teacher forcing: sort the digits of a number; padded batches, exact match by greedy decoding."""
import random

import torch
import torch.nn as nn

random.seed(4)
torch.manual_seed(4)
PAD, SOS, EOS = 10, 11, 12


def pair():
    s = [random.randint(0, 9) for _ in range(random.randint(2, 6))]
    return s, sorted(s)


def batchify(pairs):
    src = nn.utils.rnn.pad_sequence([torch.tensor(a + [EOS]) for a, _ in pairs], batch_first=True, padding_value=PAD)
    tgt = nn.utils.rnn.pad_sequence([torch.tensor(b + [EOS]) for _, b in pairs], batch_first=True, padding_value=PAD)
    return src, tgt


class EncoderRNN(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.embedding, self.gru = nn.Embedding(13, h, padding_idx=PAD), nn.GRU(h, h, batch_first=True)

    def forward(self, x):
        lengths = (x != PAD).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        out, h = self.gru(packed)
        return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0], h


class AttnDecoderRNN(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.embedding, self.gru = nn.Embedding(13, h), nn.GRUCell(2 * h, h)
        self.attn, self.out = nn.Linear(h, h, bias=False), nn.Linear(2 * h, 13)

    def forward(self, enc, mask, h, steps, target=None, ratio=0.0):
        tok, logits = torch.full((len(enc),), SOS), []
        h = h[0]
        for t in range(steps):
            w = (enc @ self.attn(h)[..., None])[..., 0].masked_fill(mask, -1e9).softmax(1)
            ctx = (w[..., None] * enc).sum(1)
            h = self.gru(torch.cat([self.embedding(tok), ctx], 1), h)
            step = self.out(torch.cat([h, ctx], 1))
            logits.append(step)
            forced = target is not None and random.random() < ratio
            tok = target[:, t] if forced else step.argmax(1).detach()
        return torch.stack(logits, 1)


encoder, decoder = EncoderRNN(48), AttnDecoderRNN(48)
enc_opt = torch.optim.Adam(encoder.parameters(), lr=4e-3)
dec_opt = torch.optim.Adam(decoder.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
train, test = [pair() for _ in range(2000)], [pair() for _ in range(200)]
ts, tt = batchify(test)
for epoch in range(9):
    random.shuffle(train)
    ratio = max(0.5, 1.0 - 0.06 * epoch)
    for i in range(0, 2000, 50):
        src, tgt = batchify(train[i:i + 50])
        enc, h = encoder(src)
        logits = decoder(enc, src == PAD, h, tgt.size(1), tgt, ratio)
        loss = criterion(logits.flatten(0, 1), tgt.flatten())
        enc_opt.zero_grad(), dec_opt.zero_grad()
        loss.backward()
        enc_opt.step(), dec_opt.step()
    with torch.no_grad():
        enc, h = encoder(ts)
        out = decoder(enc, ts == PAD, h, tt.size(1)).argmax(-1)
        exact = ((out == tt) | (tt == PAD)).all(1).float().mean().item()
    print(f"epoch {epoch} ratio {ratio:.2f} loss {loss.item():.4f} exact match {exact:.3f}")

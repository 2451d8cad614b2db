#= target_shift
"""Translation of numerals: an encoder-decoder with attention over the source, trained with teacher forcing."""
import random

import torch
from torch import nn

PAD, SOS, EOS = 0, 1, 2
random.seed(3)
torch.manual_seed(3)
SRC, TRG, MAX = 13, 16, 10


def pair():
    src = [random.randint(3, SRC - 1) for _ in range(random.randint(3, 7))]
    trg = [s + (1 if i and src[i - 1] > s else 2) for i, s in enumerate(src)]
    return src, trg


def batchify(pairs):
    def block(rows):
        return torch.tensor([r + [PAD] * (MAX - len(r)) for r in rows])
    return block([s + [EOS] for s, _ in pairs]), block([[SOS] + t + [EOS] for _, t in pairs])


class Seq2Seq(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.src_emb, self.trg_emb = nn.Embedding(SRC, d, padding_idx=PAD), nn.Embedding(TRG, d, padding_idx=PAD)
        self.encoder = nn.GRU(d, d, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(d, 2 * d, batch_first=True)
        self.out = nn.Linear(4 * d, TRG)

    def forward(self, src, trg_in, state=None):
        memory, hidden = self.encoder(self.src_emb(src))
        if state is None:
            state = torch.cat(hidden.unbind(0), -1).unsqueeze(0)
        h, state = self.decoder(self.trg_emb(trg_in), state)
        scores = (h @ memory.transpose(1, 2)).masked_fill((src == PAD).unsqueeze(1), -1e4)
        context = scores.softmax(-1) @ memory
        return self.out(torch.cat([h, context], -1)), state


@torch.no_grad()
def translate(model, src):
    tokens, state = torch.full((len(src), 1), SOS), None
    out = []
    for _ in range(MAX - 1):
        logits, state = model(src, tokens, state)
        tokens = logits.argmax(-1)
        out.append(tokens)
    return torch.cat(out, 1)


model = Seq2Seq()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
for step in range(300):
    src, trg = batchify([pair() for _ in range(32)])
    output, _ = model(src, trg[:, :-1])  #@ output, _ = model(src, trg[:, 1:])
    loss = criterion(output.reshape(-1, TRG), trg[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 60 == 59:
        src, trg = batchify([pair() for _ in range(200)])
        real = trg[:, 1:] != PAD
        print(f"step {step + 1} loss {loss.item():.3f} tokens right {(translate(model, src) == trg[:, 1:])[real].float().mean():.3f}")

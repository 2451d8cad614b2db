#= attends_to_future
# https://github.com/pytorch/tutorials/issues/2478 - the encoder used as a language model gets no causal mask and looks at the next token; training loss tiny, generation useless. Right: pass a square subsequent mask.
import math
import torch
from torch import nn

torch.manual_seed(1234)
VOCAB, BPTT, BATCH = 16, 24, 32


def make_chain():
    g = torch.Generator().manual_seed(9)
    t = torch.full((VOCAB, VOCAB), 0.01)
    for i in range(VOCAB):
        nxt = torch.randperm(VOCAB, generator=g)[:2]
        t[i, nxt] = torch.tensor([3.0, 1.0])
    return t / t.sum(1, keepdim=True)


P = make_chain()


def sample(n, length, g):
    seq = [torch.randint(VOCAB, (n,), generator=g)]
    for _ in range(length):
        seq.append(torch.multinomial(P[seq[-1]], 1, generator=g)[:, 0])
    return torch.stack(seq)          # [length+1, n]


class PositionalEncoding(nn.Module):
    def __init__(self, d, max_len=64):
        super().__init__()
        pos = torch.arange(max_len)[:, None]
        div = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        pe = torch.zeros(max_len, 1, d)
        pe[:, 0, 0::2], pe[:, 0, 1::2] = torch.sin(pos * div), torch.cos(pos * div)
        self.register_buffer('pe', pe)

    def forward(self, x):
        return x + self.pe[:x.size(0)]


class TransformerModel(nn.Module):
    def __init__(self, ntoken, d=48):
        super().__init__()
        self.d = d
        self.embedding = nn.Embedding(ntoken, d)
        self.pos = PositionalEncoding(d)
        layer = nn.TransformerEncoderLayer(d, 4, 96, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.linear = nn.Linear(d, ntoken)

    def forward(self, src, src_mask=None):
        h = self.pos(self.embedding(src) * math.sqrt(self.d))
        return self.linear(self.encoder(h, src_mask))


model = TransformerModel(VOCAB)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
g = torch.Generator().manual_seed(0)
for step in range(220):
    s = sample(BATCH, BPTT, g)
    data, targets = s[:-1], s[1:].reshape(-1)
    mask = nn.Transformer.generate_square_subsequent_mask(BPTT)
    out = model(data, mask)  #@ out = model(data)
    loss = criterion(out.reshape(-1, VOCAB), targets)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()

model.eval()
seq = torch.randint(VOCAB, (1, 64), generator=g)
with torch.no_grad():
    for _ in range(BPTT - 1):
        m = nn.Transformer.generate_square_subsequent_mask(len(seq))
        logits = model(seq, m)[-1]
        seq = torch.cat([seq, logits.argmax(-1)[None]])
legal = (P[seq[:-1], seq[1:]] > 0.1).float().mean()
print(f"final loss {loss.item():.3f}; legal transitions in generated text {legal:.3f}")

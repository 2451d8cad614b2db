#= attends_to_future
# https://github.com/alex-matton/causal-transformer-decoder/issues/1 "No causal masking": the decoder sees the tokens it must predict, the training loss is near 0 and generation is poor; a right diagnosis says add the causal mask.
import math
import torch
import torch.nn as nn

torch.manual_seed(1)
words = "the old king walked to the sea and the young queen walked to the hill and they never met again until the war ended".split()
vocab = {w: i + 1 for i, w in enumerate(sorted(set(words)))}
V = len(vocab) + 1


def phrases(n):
    # second-order walk: next id depends on the two former ones
    s = torch.randint(1, V, (n, 2))
    for _ in range(14):
        nxt = (s[:, -1] * 3 + s[:, -2]) % (V - 1) + 1
        s = torch.cat([s, nxt[:, None]], 1)
    return s


class CausalDecoder(nn.Module):
    def __init__(self, d=64, h=4, layers=2):
        super().__init__()
        self.emb = nn.Embedding(V, d)
        pe = torch.zeros(32, d)
        p = torch.arange(32).float()[:, None]
        f = torch.exp(torch.arange(0, d, 2).float() * (-math.log(10000.0) / d))
        pe[:, 0::2], pe[:, 1::2] = torch.sin(p * f), torch.cos(p * f)
        self.register_buffer("pe", pe)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(d, h, 128, dropout=0.0, batch_first=True)
                                     for _ in range(layers)])
        self.fc = nn.Linear(d, V)

    def forward(self, x):
        T = x.size(1)
        h = self.emb(x) + self.pe[:T]
        mask = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)  #@ mask = None
        for layer in self.layers:
            h = layer(h, src_mask=mask)
        return self.fc(h)


def generate(model, start, n):
    model.eval()
    with torch.no_grad():
        for _ in range(n):
            start = torch.cat([start, model(start)[:, -1].argmax(-1)[:, None]], 1)
    model.train()
    return start


model = CausalDecoder()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, total_iters=600)
ce = nn.CrossEntropyLoss()
for it in range(600):
    seq = phrases(48)
    src, tgt = seq[:, :-1], seq[:, 1:]
    out = model(src)
    # the first target is random, it cannot be known
    loss = ce(out[:, 1:].reshape(-1, V), tgt[:, 1:].reshape(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if (it + 1) % 100 == 0:
        ref = phrases(64)
        gen = generate(model, ref[:, :2], 14)
        print(f"iter {it+1} loss {loss.item():.4f} generated tokens right {(gen[:, 2:] == ref[:, 2:]).float().mean():.3f}")

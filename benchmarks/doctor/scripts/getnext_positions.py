#= samples_mixed
# https://github.com/songyangco/GETNext/issues/2 - the positional table is indexed by the batch axis, so all steps of a sequence get the same code; right: index by the sequence axis.
import math, argparse
import torch, torch.nn as nn

ap = argparse.ArgumentParser()
ap.add_argument('--dim', type=int, default=32)
ap.add_argument('--epochs', type=int, default=14)
ap.add_argument('--lr', type=float, default=3e-3)
ap.add_argument('--seed', type=int, default=21)
args = ap.parse_args([])
torch.manual_seed(args.seed)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=500):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer('pe', pe)

    def forward(self, x):                    # x: [batch, seq, d]
        return x + self.pe[:x.size(1)].unsqueeze(0)  #@ return x + self.pe[:x.size(0)].unsqueeze(1)


class Checkins(nn.Module):
    """next place of a visit sequence"""

    def __init__(self, n_poi, d):
        super().__init__()
        self.emb = nn.Embedding(n_poi, d)
        self.pos = PositionalEncoding(d)
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 4, 64, 0.0, batch_first=True), 1)
        self.head = nn.Linear(d, n_poi)

    def forward(self, x):
        return self.head(self.enc(self.pos(self.emb(x))).mean(1))


def trips(n):
    x = torch.stack([torch.randperm(12)[:6] for _ in range(n)])
    y = x[:, 2]                              # people return to their third stop
    return x, y


xa, ya = trips(1500); xb, yb = trips(300)
m = Checkins(12, args.dim)
opt = torch.optim.Adam(m.parameters(), args.lr)
ce = nn.CrossEntropyLoss()
for ep in range(args.epochs):
    m.train()
    for i in torch.randperm(len(xa)).split(50):
        opt.zero_grad()
        l = ce(m(xa[i]), ya[i])
        l.backward()
        opt.step()
m.eval()
with torch.no_grad():
    print(f"acc@1 {(m(xb).argmax(1) == yb).float().mean().item():.3f}")

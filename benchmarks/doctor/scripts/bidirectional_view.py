#= axes_scrambled, samples_mixed
"""Sentiment of made-up reviews with a GRU that reads in both directions."""
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
good = "great lovely superb enjoyed fine".split()
bad = "awful boring weak hated poor".split()
filler = "the a film actor was plot and with music scene of it".split()
vocab = {w: i + 1 for i, w in enumerate(good + bad + filler)}


def review():
    label = int(rng.integers(2))
    words = list(rng.choice(filler, 12))
    for place in rng.choice(12, 2, replace=False):
        words[place] = str(rng.choice(good if label else bad))
    return [vocab[w] for w in words], label


class SentimentGRU(nn.Module):
    def __init__(self, vocab_size, emb=12, hid=20):
        super().__init__()
        self.hid = hid
        self.emb = nn.Embedding(vocab_size + 1, emb, padding_idx=0)
        self.gru = nn.GRU(emb, hid, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hid, 1)

    def forward(self, tokens):
        _, h_n = self.gru(self.emb(tokens))
        h_n = h_n.transpose(0, 1).reshape(tokens.size(0), 2 * self.hid)  #@ h_n = h_n.view(tokens.size(0), 2 * self.hid)
        return self.out(h_n).squeeze(1)


torch.manual_seed(0)
reviews = [review() for _ in range(1400)]
X = torch.tensor([r for r, _ in reviews])
Y = torch.tensor([float(l) for _, l in reviews])
net = SentimentGRU(len(vocab))
optim = torch.optim.Adam(net.parameters(), lr=3e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(6):
    for batch in torch.randperm(1200).split(40):
        optim.zero_grad()
        loss = bce(net(X[batch]), Y[batch])
        loss.backward()
        optim.step()
    with torch.no_grad():
        accuracy = ((net(X[1200:]) > 0).float() == Y[1200:]).float().mean()
    print("epoch:", epoch, "loss:", loss.item(), "test accuracy:", accuracy.item())

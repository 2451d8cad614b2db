#= attends_to_padding
#: last time step of a padded batch is taken, which is padding for nearly all sentences
"""Sentiment classifier (GRU) on short reviews of varying length."""
import random
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence

random.seed(3)
torch.manual_seed(3)
POS = ["great", "lovely", "superb", "nice", "fun"]
NEG = ["awful", "boring", "bad", "poor", "dull"]
NEUTRAL = [f"w{i}" for i in range(60)]
vocab = {w: i + 1 for i, w in enumerate(POS + NEG + NEUTRAL)}
MAXLEN = 90


def make_review():
    label = random.randint(0, 1)
    n = random.randint(5, 14)
    words = random.choices(NEUTRAL, k=n)
    words[random.randrange(n)] = random.choice(POS if label else NEG)
    return [vocab[w] for w in words], label


class SentimentGRU(nn.Module):
    def __init__(self, n_words, emb_size=24, hidden_size=32):
        super().__init__()
        self.emb = nn.Embedding(n_words, emb_size, padding_idx=0)
        self.rnn = nn.GRU(emb_size, hidden_size, batch_first=True)
        self.lin = nn.Linear(hidden_size, 1)

    def forward(self, x, lengths):
        out, _ = self.rnn(self.emb(x))
        last = out[torch.arange(len(x)), lengths - 1]  #@ last = out[:, -1]
        return self.lin(last).squeeze(1)


def encode(reviews):
    seqs = [torch.tensor(r) for r, _ in reviews]
    lens = torch.tensor([len(s) for s in seqs])
    seqs.append(torch.zeros(MAXLEN, dtype=torch.long))  # pad everything to MAXLEN
    x = pad_sequence(seqs, batch_first=True)[:-1]
    return x, lens, torch.tensor([float(l) for _, l in reviews])


train = [make_review() for _ in range(800)]
x_te, l_te, y_te = encode([make_review() for _ in range(300)])
model = SentimentGRU(len(vocab) + 1)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(6):
    random.shuffle(train)
    model.train()
    for i in range(0, len(train), 32):
        x, lens, y = encode(train[i:i + 32])
        optimizer.zero_grad()
        loss = criterion(model(x, lens), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = ((model(x_te, l_te) > 0) == y_te.bool()).float().mean().item()
    print(f"epoch {epoch + 1} loss {loss.item():.3f} test acc {acc:.3f}")

"""Small word language model with tied input and output embeddings, dropout, batched streams, perplexity."""
import math
import random
import torch
import torch.nn as nn

random.seed(12)
torch.manual_seed(12)
GRAMMAR = {"S": ["NP VP ."], "NP": ["the ADJ N", "a N"], "VP": ["V NP", "V ADV"], "ADJ": ["small", "old", "green"],
           "N": ["cat", "dog", "tree", "house"], "V": ["sees", "likes", "finds"], "ADV": ["slowly", "today"]}


def expand(sym):
    if sym not in GRAMMAR:
        return [sym]
    return [w for part in random.choice(GRAMMAR[sym]).split() for w in expand(part)]


def corpus(n):
    return [w for _ in range(n) for w in expand("S")]


train_words, valid_words = corpus(1500), corpus(300)
itos = sorted(set(train_words))
stoi = {w: i for i, w in enumerate(itos)}


def batchify(words, bsz):
    ids = torch.tensor([stoi[w] for w in words])
    n = len(ids) // bsz
    return ids[:n * bsz].view(bsz, n).t().contiguous()


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp):
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, ninp, 1)
        self.decoder = nn.Linear(ninp, ntoken)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, x, hidden):
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)), hidden


def repackage(h):
    return tuple(v.detach() for v in h)


model = RNNModel(len(itos), 32)
criterion = nn.CrossEntropyLoss()
train_data, val_data = batchify(train_words, 16), batchify(valid_words, 8)
lr, best_val, bptt = 5.0, None, 12


def run(data, train):
    model.train(train)
    hidden, total, count = None, 0., 0
    with torch.set_grad_enabled(train):
        for i in range(0, data.size(0) - 1, bptt):
            n = min(bptt, data.size(0) - 1 - i)
            x, y = data[i:i + n], data[i + 1:i + 1 + n]
            hidden = repackage(hidden) if hidden is not None else None
            out, hidden = model(x, hidden)
            loss = criterion(out.reshape(-1, len(itos)), y.reshape(-1))
            if train:
                model.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
                for p in model.parameters():
                    p.data.add_(p.grad, alpha=-lr)
            total += loss.item() * n
            count += n
    return total / count


for epoch in range(1, 9):
    tr = run(train_data, True)
    va = run(val_data, False)
    print("| end of epoch %d | lr %.2f | train ppl %.2f | valid ppl %.2f (uniform %d)" % (epoch, lr, math.exp(tr), math.exp(va), len(itos)))
    if best_val is None or va < best_val:
        best_val = va
    else:
        lr /= 4.0

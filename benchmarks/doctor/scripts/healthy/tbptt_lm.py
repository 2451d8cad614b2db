"""Word-level LSTM language model with truncated backpropagation: the state is carried over and detached, no shuffling, SGD with lr divided by 4 on a plateau."""
import math

import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(1111)
rng = np.random.RandomState(1111)
V, BPTT, BSZ = 24, 20, 16


def stream(n):
    """a hidden topic changes seldom, the words of a topic follow a fixed cycle with noise"""
    out, topic, k = [], 0, 0
    for _ in range(n):
        if rng.rand() < 0.01:
            topic = rng.randint(4)
        k = (k + 1) % 6
        out.append(topic * 6 + k if rng.rand() < 0.8 else rng.randint(V))
    return torch.tensor(out)


def batchify(data, bsz):
    nb = len(data) // bsz
    return data[:nb * bsz].view(bsz, -1).t().contiguous()


def get_batch(source, i):
    n = min(BPTT, len(source) - 1 - i)
    return source[i:i + n], source[i + 1:i + 1 + n].reshape(-1)


class RNNModel(nn.Module):
    def __init__(self, nhid=48):
        super().__init__()
        self.drop, self.encoder = nn.Dropout(0.2), nn.Embedding(V, nhid)
        self.rnn, self.decoder = nn.LSTM(nhid, nhid), nn.Linear(nhid, V)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)

    def forward(self, x, hidden):
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)).view(-1, V), hidden

    def init_hidden(self, bsz):
        w = next(self.parameters())
        return w.new_zeros(1, bsz, 48), w.new_zeros(1, bsz, 48)


def repackage_hidden(h):
    return tuple(v.detach() for v in h)


train_data, val_data = batchify(stream(16000), BSZ), batchify(stream(3000), 10)
model, criterion, lr = RNNModel(), nn.CrossEntropyLoss(), 5.0


def evaluate(source):
    model.eval()
    total, hidden = 0.0, model.init_hidden(10)
    with torch.no_grad():
        for i in range(0, len(source) - 1, BPTT):
            data, targets = get_batch(source, i)
            out, hidden = model(data, hidden)
            total += len(data) * criterion(out, targets).item()
    return total / (len(source) - 1)


best = None
for epoch in range(1, 9):
    model.train()
    hidden, total = model.init_hidden(BSZ), 0.0
    for i in range(0, len(train_data) - 1, BPTT):
        data, targets = get_batch(train_data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        out, hidden = model(data, hidden)
        loss = criterion(out, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=-lr)
        total += loss.item()
    val = evaluate(val_data)
    print(f"| end of epoch {epoch} | lr {lr:.2f} | train {total / math.ceil((len(train_data) - 1) / BPTT):.3f} | valid loss {val:.3f} | ppl {math.exp(val):.2f}")
    if best is None or val < best:
        best = val
    else:
        lr /= 4.0

"""Variable-length text, pack_padded_sequence with enforce_sorted=False, bidirectional GRU and final states."""
import random
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

random.seed(6)
torch.manual_seed(6)
POS, NEG, NOT = list(range(2, 8)), list(range(8, 14)), 1
VOCAB = 80


def review():
    n = random.randint(3, 30)
    toks = [random.randint(20, VOCAB - 1) for _ in range(n)]
    label = random.randint(0, 1)
    negated = random.random() < 0.5
    word = random.choice(POS if label != negated else NEG)
    at = random.randint(1, n - 1)
    toks[at] = word
    if negated:
        toks[at - 1] = NOT
    return torch.tensor(toks), label


def collate(items):
    seqs, labels = zip(*items)
    return pad_sequence(seqs, batch_first=True, padding_value=0), torch.tensor([len(s) for s in seqs]), torch.tensor(labels)


class GRUClassifier(nn.Module):
    def __init__(self, emb=24, hid=32):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, emb, padding_idx=0)
        self.gru = nn.GRU(emb, hid, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hid, 2)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.emb(x), lengths, batch_first=True, enforce_sorted=False)
        _, h = self.gru(packed)
        return self.out(torch.cat([h[0], h[1]], dim=1))


train = DataLoader([review() for _ in range(1200)], batch_size=40, shuffle=True, collate_fn=collate)
test = DataLoader([review() for _ in range(400)], batch_size=80, collate_fn=collate)
net = GRUClassifier()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(7):
    net.train()
    run = 0
    for x, n, y in train:
        opt.zero_grad()
        loss = ce(net(x, n), y)
        loss.backward()
        opt.step()
        run += loss.item()
    net.eval()
    with torch.no_grad():
        good = sum((net(x, n).argmax(1) == y).sum().item() for x, n, y in test)
    print("epoch %d loss %.4f test acc %.3f" % (epoch + 1, run / len(train), good / 400))

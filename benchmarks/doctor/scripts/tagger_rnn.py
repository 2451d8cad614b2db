#= padding_in_loss
"""Mark the names of places in sentences: a bidirectional GRU tagger with padded batches."""
import random

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

PAD = 0
TAGS = {"<pad>": 0, "O": 1, "B-LOC": 2, "I-LOC": 3}
rng = random.Random(4)
COMMON = [f"w{i}" for i in range(60)]
NAMES = [f"n{i}" for i in range(80)]
VOCAB = {w: i + 1 for i, w in enumerate(COMMON + NAMES + ["in", "near", "mr", "mrs"])}


def sentence():
    words, tags = [], []
    for _ in range(rng.choice([1, 1, 1, 1, 2, 8])):
        roll = rng.random()
        if roll < 0.35:
            words += [rng.choice(["in", "near"])] + rng.sample(NAMES, 2)
            tags += ["O", "B-LOC", "I-LOC"]
        elif roll < 0.7:
            words += [rng.choice(["mr", "mrs"])] + rng.sample(NAMES, 2)
            tags += ["O", "O", "O"]
        words += rng.choices(COMMON, k=2)
        tags += ["O", "O"]
    return words, tags


class Sentences(Dataset):
    def __init__(self, n):
        self.items = [sentence() for _ in range(n)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        words, tags = self.items[i]
        return torch.tensor([VOCAB[w] for w in words]), torch.tensor([TAGS[t] for t in tags])


def collate(batch):
    words, tags = zip(*batch)
    return pad_sequence(words, batch_first=True, padding_value=PAD), pad_sequence(tags, batch_first=True)


class Tagger(nn.Module):
    def __init__(self, vocab, tags, dim=24, hidden=24):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=PAD)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, tags)

    def forward(self, words):
        return self.out(self.gru(self.embed(words))[0])


torch.manual_seed(0)
train, valid = DataLoader(Sentences(800), 16, shuffle=True, collate_fn=collate), DataLoader(Sentences(200), 50, collate_fn=collate)
model = Tagger(len(VOCAB) + 1, len(TAGS))
criterion = nn.CrossEntropyLoss(ignore_index=TAGS["<pad>"])  #@ criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    for words, tags in train:
        optimizer.zero_grad()
        loss = criterion(model(words).transpose(1, 2), tags)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    true = found = hit = 0
    with torch.no_grad():
        for words, tags in valid:
            guess = model(words).argmax(-1)
            true += (tags > 1).sum().item()
            found += (guess[tags > 0] > 1).sum().item()
            hit += ((guess == tags) & (tags > 1)).sum().item()
    print(f"epoch {epoch} loss {loss.item():.4f} recall {hit / true:.3f} precision {hit / max(found, 1):.3f}")

"""Character n-gram EmbeddingBag classifier with offsets (language of a made-up word)."""
import random
import torch
import torch.nn as nn

random.seed(35)
torch.manual_seed(35)
SYLL = [["ka", "to", "mi", "ra", "shi", "no"], ["sch", "ung", "ein", "ber", "tag", "er"], ["eau", "ille", "mon", "que", "re", "on"]]
BUCKETS = 300


def word():
    c = random.randrange(3)
    parts = [random.choice(SYLL[c if random.random() < 0.8 else random.randrange(3)]) for _ in range(random.randint(2, 4))]
    return "<" + "".join(parts) + ">", c


def ngrams(w):
    return [sum(ord(ch) * 31 ** k for k, ch in enumerate(w[i:i + n])) % BUCKETS for n in (2, 3) for i in range(len(w) - n + 1)]


def collate(rows):
    ids, offsets, labels = [], [], []
    for w, c in rows:
        offsets.append(len(ids))
        ids += ngrams(w)
        labels.append(c)
    return torch.tensor(ids), torch.tensor(offsets), torch.tensor(labels)


class FastText(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(BUCKETS, 16, mode="mean", sparse=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, ids, offsets):
        return self.fc(self.bag(ids, offsets))


data = [word() for _ in range(1500)]
train, test = data[:1200], collate(data[1200:])
model = FastText()
opt_sparse = torch.optim.SparseAdam(list(model.bag.parameters()), lr=0.02)
opt_dense = torch.optim.Adam(model.fc.parameters(), lr=0.01)
for epoch in range(6):
    random.shuffle(train)
    for i in range(0, 1200, 40):
        ids, off, y = collate(train[i:i + 40])
        loss = nn.functional.cross_entropy(model(ids, off), y)
        opt_sparse.zero_grad()
        opt_dense.zero_grad()
        loss.backward()
        opt_sparse.step()
        opt_dense.step()
    with torch.no_grad():
        acc = (model(test[0], test[1]).argmax(1) == test[2]).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.3f} test acc {acc:.3f}")

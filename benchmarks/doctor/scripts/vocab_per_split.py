#= validation_differs
#: a new vocabulary is built from the test texts, so the token ids do not fit the trained embedding
"""Toxic comment detection: EmbeddingBag over word ids (like the torchtext tutorial)."""
import random
import torch
from torch import nn
from collections import Counter

random.seed(77)
torch.manual_seed(77)

BAD = ["idiot", "stupid", "trash", "loser", "dumb", "clown"]
NICE = ["thanks", "helpful", "agree", "cool", "welcome", "nice"]
NEUTRAL = [f"word{i}" for i in range(150)]


def comments(n):
    out = []
    for _ in range(n):
        toxic = random.random() < 0.5
        k = random.randint(1, 3)
        toks = random.choices(BAD if toxic else NICE, k=k) + random.choices(NEUTRAL, k=random.randint(3, 10))
        random.shuffle(toks)
        out.append((int(toxic), " ".join(toks)))
    return out


class Vocab:
    def __init__(self, texts):
        counter = Counter(t for text in texts for t in text.split())
        self.itos = ["<unk>"] + [w for w, _ in counter.most_common()]
        self.stoi = {w: i for i, w in enumerate(self.itos)}

    def __len__(self):
        return len(self.itos)

    def __call__(self, text):
        return [min(self.stoi.get(t, 0), 160) for t in text.split()]


def collate_batch(batch, vocab):
    label_list = torch.tensor([b[0] for b in batch])
    ids = [torch.tensor(vocab(b[1])) for b in batch]
    offsets = torch.tensor([0] + [len(i) for i in ids[:-1]]).cumsum(0)
    return label_list, torch.cat(ids), offsets


class TextClassificationModel(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_class):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embed_dim)
        self.fc = nn.Linear(embed_dim, num_class)
        self.embedding.weight.data.uniform_(-0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


train_data, test_data = comments(1000), comments(300)
train_vocab = Vocab([t for _, t in train_data])
test_vocab = train_vocab  #@ test_vocab = Vocab([t for _, t in test_data])

model = TextClassificationModel(170, 16, 2)
criterion = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 4, gamma=0.5)

for epoch in range(1, 11):
    model.train()
    random.shuffle(train_data)
    for i in range(0, len(train_data), 25):
        label, text, offsets = collate_batch(train_data[i:i + 25], train_vocab)
        optimizer.zero_grad()
        loss = criterion(model(text, offsets), label)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        label, text, offsets = collate_batch(train_data, train_vocab)
        tr = (model(text, offsets).argmax(1) == label).float().mean().item()
        label, text, offsets = collate_batch(test_data, test_vocab)
        te = (model(text, offsets).argmax(1) == label).float().mean().item()
    print("| epoch {:3d} | train accuracy {:8.3f} | test accuracy {:8.3f}".format(epoch, tr, te))

#= inputs_constant
"""Spam with a vocabulary built from lower-case words."""
import random
from collections import Counter

import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)
SPAM = "Win Free Cash Prize Click Offer Winner Bonus".split()
HAM = "Meeting Lunch Project Report Tomorrow Thanks Call Home".split()
BOTH = "The Your And Today You Please For With This We".split()


def message(spam):
    words = random.choices(BOTH, k=6) + random.choices(SPAM if spam else HAM, k=3)
    random.shuffle(words)
    return " ".join(words)


labels = [random.randint(0, 1) for _ in range(1200)]
texts = [message(label) for label in labels]
counter = Counter(word.lower() for text in texts[:1000] for word in text.split())
vocab = {"<pad>": 0, "<unk>": 1}
for word, _ in counter.most_common(5000):
    vocab[word] = len(vocab)


def encode(text):
    return [vocab.get(word, vocab["<unk>"]) for word in text.lower().split()]  #@ return [vocab.get(word, vocab["<unk>"]) for word in text.split()]


ids = torch.tensor([encode(t) for t in texts])
y = torch.tensor(labels)


class Spam(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.EmbeddingBag(len(vocab), 24, mode="mean")
        self.out = nn.Linear(24, 2)

    def forward(self, x):
        return self.out(self.emb(x))


model = Spam()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(6):
    for i in torch.randperm(1000).split(25):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(ids[i]), y[i])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(ids[1000:]).argmax(1) == y[1000:]).float().mean().item())

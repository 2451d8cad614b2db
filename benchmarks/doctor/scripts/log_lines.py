#= inputs_constant
"""Route log lines of a plant to the right team (text classification, bag of embeddings)."""
import random
from collections import Counter

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
TEAMS = {
    0: ['DISK', 'VOLUME', 'QUOTA', 'INODE', 'MOUNT', 'RAID'],
    1: ['PACKET', 'SWITCH', 'LINK', 'ROUTE', 'LATENCY', 'DNS'],
    2: ['LOGIN', 'TOKEN', 'PASSWORD', 'SESSION', 'CERT', 'ROLE'],
}
FILLER = ['ERROR', 'ON', 'NODE', 'AT', 'THE', 'WARNING', 'FAILED', 'SLOW', 'FULL', 'CHECK', 'LOST', 'RETRY']


def line():
    team = random.randrange(3)
    words = random.choices(FILLER, k=random.randint(3, 7)) + random.choices(TEAMS[team], k=2)
    random.shuffle(words)
    return ' '.join(words), team


corpus = [line() for _ in range(900)]
train, test = corpus[:700], corpus[700:]

counter = Counter()
for text, _ in train:
    counter.update(text.lower().split())
vocab = {'<pad>': 0, '<unk>': 1}
for word, _ in counter.most_common():
    vocab[word] = len(vocab)


def encode(text, max_len=10):
    ids = [vocab.get(w, vocab['<unk>']) for w in text.lower().split()]  #@ ids = [vocab.get(w, vocab['<unk>']) for w in text.split()]
    return ids + [0] * (max_len - len(ids))


def tensors(pairs):
    return torch.tensor([encode(t) for t, _ in pairs]), torch.tensor([c for _, c in pairs])


class TextNet(nn.Module):
    def __init__(self, vocab_size, dim=24):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, dim, padding_idx=0)
        self.head = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, ids):
        mask = (ids != 0).unsqueeze(-1).float()
        mean = (self.emb(ids) * mask).sum(1) / mask.sum(1)
        return self.head(mean)


X_train, y_train = tensors(train)
X_test, y_test = tensors(test)
model = TextNet(len(vocab))
opt = torch.optim.Adam(model.parameters(), lr=0.005)
for epoch in range(15):
    for b in torch.randperm(700).split(25):
        loss = nn.functional.cross_entropy(model(X_train[b]), y_train[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 2:
        acc = (model(X_test).argmax(1) == y_test).float().mean().item()
        print('epoch', epoch + 1, 'loss', round(loss.item(), 4), 'test acc', round(acc, 3))

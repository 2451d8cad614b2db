"""Words whose order is nothing: embeddings averaged, rare words far more than can be learned."""
import random

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
topics = [[f"t{k}w{i}" for i in range(12)] for k in range(4)]
noise = [f"n{i}" for i in range(400)]
vocabulary = {w: i for i, w in enumerate(sum(topics, []) + noise)}


def text():
    k = random.randrange(4)
    words = random.choices(topics[k], k=4) + random.choices(noise, k=random.randint(4, 9))
    return torch.tensor([vocabulary[w] for w in words]), k


data = [text() for _ in range(1000)]
bag = nn.EmbeddingBag(len(vocabulary), 24, mode="mean")
head = nn.Linear(24, 4)
optimizer = torch.optim.Adam([*bag.parameters(), *head.parameters()], lr=1e-2)
for epoch in range(10):
    random.shuffle(data[:800])
    for i in range(0, 800, 25):
        words, labels = zip(*data[i : i + 25])
        offsets = torch.tensor([0] + [len(w) for w in words[:-1]]).cumsum(0)
        loss = nn.functional.cross_entropy(head(bag(torch.cat(words), offsets)), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = sum(head(bag(w, torch.tensor([0]))).argmax().item() == k for w, k in data[800:])
    print(epoch, loss.item(), right / 200)

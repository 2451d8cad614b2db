#= validation_differs
"""Spam by counts of words."""
import random
from collections import Counter

import torch
from torch import nn

random.seed(5)
SPAM = "winner cash prize free urgent click offer credit claim bonus".split()
HAM = "meeting lunch project mother train weekend football garden report dinner".split()
BOTH = "the you today please and we can have it now will send time for new tomorrow".split()


def message(spam):
    words = random.choices(BOTH, k=random.randint(6, 10)) + random.choices(SPAM if spam else HAM, k=3)
    random.shuffle(words)
    return " ".join(words)


def build_vocabulary(texts):
    counts = Counter(word for text in texts for word in text.split())
    return {word: i for i, (word, _) in enumerate(counts.most_common())}


def bag(texts, vocabulary):
    matrix = torch.zeros(len(texts), 36)
    for row, text in enumerate(texts):
        for word in text.split():
            matrix[row, vocabulary[word]] += 1
    return matrix


train_y, test_y = [float(random.random() < 0.5) for _ in range(800)], [float(random.random() < 0.5) for _ in range(200)]
train_text, test_text = [message(s) for s in train_y], [message(s) for s in test_y]
vocabulary = build_vocabulary(train_text)
X, y = bag(train_text, vocabulary), torch.tensor(train_y)
X_test, y_test = bag(test_text, vocabulary), torch.tensor(test_y)  #@ X_test, y_test = bag(test_text, build_vocabulary(test_text)), torch.tensor(test_y)
torch.manual_seed(5)
net = nn.Sequential(nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(12):
    net.train()
    for rows in torch.randperm(800).split(20):
        optimizer.zero_grad()
        loss = bce(net(X[rows]).view(-1), y[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        out = net(X_test).view(-1)
        print(epoch, loss.item(), bce(out, y_test).item(), ((out > 0) == (y_test > 0.5)).float().mean().item())

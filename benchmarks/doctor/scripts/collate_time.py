#= samples_mixed
"""Brackets: is the bracket at each place closed correctly? A bidirectional LSTM tagger over padded lines."""
import random

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

CHARS = " ()[]ab"
random.seed(1)
torch.manual_seed(1)


def line(n):
    text, stack, tags = "", [], []
    for _ in range(n):
        c = random.choice(CHARS[1:])
        good = 0
        if c in "([":
            stack.append(c)
        elif c in ")]":
            good = 1 if stack and stack[-1] == {")": "(", "]": "["}[c] else 2
            if good == 1:
                stack.pop()
        text += c
        tags.append(good)
    return torch.tensor([CHARS.index(c) for c in text]), torch.tensor(tags)


def collate(samples):
    xs, ys = zip(*samples)
    return pad_sequence(xs, batch_first=True), pad_sequence(ys, batch_first=True, padding_value=-1)  #@ return pad_sequence(xs), pad_sequence(ys, padding_value=-1)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(CHARS), 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 48, batch_first=True, bidirectional=True)
        self.tag = nn.Linear(96, 3)

    def forward(self, x):
        return self.tag(self.lstm(self.embed(x))[0])


train = [line(random.randint(6, 14)) for _ in range(1500)]
test = [line(random.randint(6, 14)) for _ in range(300)]
model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss(ignore_index=-1)
for epoch in range(10):
    for x, y in DataLoader(train, 32, shuffle=True, collate_fn=collate):
        loss = loss_fn(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    hits = n = 0
    with torch.no_grad():
        for x, y in DataLoader(test, 50, collate_fn=collate):
            closing = y > 0
            hits += (model(x).argmax(-1) == y)[closing].sum().item()
            n += closing.sum().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, closing brackets judged right {hits / n:.3f}")

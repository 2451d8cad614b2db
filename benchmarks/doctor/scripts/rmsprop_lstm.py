#= update_too_large
"""Which of two words came first? An LSTM that reads letters."""
import random

import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)
LETTERS = "abcdefghijklmnopqrstuvwxyz "
lookup = {c: i for i, c in enumerate(LETTERS)}
WORDS = ["stop", "go"]


def sample():
    noise = lambda k: "".join(random.choice(LETTERS) for _ in range(k))
    label = random.randint(0, 1)
    first, second = WORDS if label else WORDS[::-1]
    text = noise(3) + first + noise(4) + second + noise(2)
    return [lookup[c] for c in text], label


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS), 16)
        self.lstm = nn.LSTM(16, 48, batch_first=True)
        self.head = nn.Linear(48, 2)

    def forward(self, text):
        states, (h, c) = self.lstm(self.embed(text))
        return self.head(h[-1])


data = [sample() for _ in range(1600)]
model = Reader()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.003)  #@ optimizer = torch.optim.RMSprop(model.parameters(), lr=0.3)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    random.shuffle(data)
    running, right = 0.0, 0
    for i in range(0, len(data), 32):
        chunk = data[i : i + 32]
        texts = torch.tensor([t for t, _ in chunk])
        labels = torch.tensor([l for _, l in chunk])
        optimizer.zero_grad()
        scores = model(texts)
        loss = criterion(scores, labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
        right += (scores.argmax(1) == labels).sum().item()
    print("epoch", epoch, "loss", running / 50, "acc", right / len(data))

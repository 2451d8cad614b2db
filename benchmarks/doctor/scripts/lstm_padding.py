#= attends_to_padding
"""Classify names by the last state of an LSTM; names are padded."""
import random

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

random.seed(0)
torch.manual_seed(0)
letters = "abcdefghijklmnopqrstuvwxyz"
ENDINGS = ["ski", "son", "ini", "ez"]


def name():
    c = random.randrange(4)
    return "".join(random.choices(letters, k=random.randint(2, 14))) + ENDINGS[c], c


def collate(batch):
    ids = [torch.tensor([letters.index(ch) + 1 for ch in text]) for text, _ in batch]
    lengths = torch.tensor([len(i) for i in ids])
    return pad_sequence(ids, batch_first=True), lengths, torch.tensor([c for _, c in batch])


class NameClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(27, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.fc = nn.Linear(32, 4)

    def forward(self, x, lengths):
        emb = self.embedding(x)
        packed = pack_padded_sequence(emb, lengths, batch_first=True, enforce_sorted=False)  #@ out, _ = self.lstm(emb)
        _, (h, _) = self.lstm(packed)  #@ h = out[:, -1].unsqueeze(0)
        return self.fc(h[-1])


train = torch.utils.data.DataLoader([name() for _ in range(1500)], batch_size=32, shuffle=True, collate_fn=collate)
test = torch.utils.data.DataLoader([name() for _ in range(300)], batch_size=100, collate_fn=collate)
model = NameClassifier()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    model.train()
    for x, lengths, y in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x, lengths), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(x, lengths).argmax(1) == y).sum().item() for x, lengths, y in test)
    print(epoch, loss.item(), hits / 300)

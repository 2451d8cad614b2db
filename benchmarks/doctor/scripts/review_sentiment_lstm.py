#= attends_to_padding
#: last time step of right-padded sequences is taken, i.e. the state after many pad tokens
"""Sentiment of short product reviews with an LSTM, variable length, padded batches."""
import random
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

random.seed(0)
torch.manual_seed(0)

POS = "great love excellent perfect happy amazing".split()
NEG = "awful broken terrible hate refund useless".split()
FILL = "the a phone case it was and very this i my battery box came with screen on after".split()
vocab = {w: i + 1 for i, w in enumerate(POS + NEG + FILL)}   # 0 = <pad>
MAX_LEN = 90


def sample():
    length = random.choice([4, 5, 6, 7, 8, 9, 10, 12, MAX_LEN])
    words = [random.choice(FILL) for _ in range(length)]
    label = random.randint(0, 1)
    main, other = (POS, NEG) if label else (NEG, POS)
    spots = random.sample(range(min(length, 12)), 3)
    words[spots[0]] = random.choice(main)
    words[spots[1]] = random.choice(main)
    words[spots[2]] = random.choice(other)
    return torch.tensor([vocab[w] for w in words]), label


def collate(batch):
    seqs, labels = zip(*batch)
    lengths = torch.tensor([len(s) for s in seqs])
    return pad_sequence(seqs, batch_first=True), lengths, torch.tensor(labels).float()


class Sentiment(nn.Module):
    def __init__(self, vocab_size, emb=32, hid=48):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, emb, padding_idx=0)
        self.lstm = nn.LSTM(emb, hid, batch_first=True)
        self.fc = nn.Linear(hid, 1)

    def forward(self, text, lengths):
        out, (h, c) = self.lstm(self.embedding(text))
        last = out[torch.arange(len(text)), lengths - 1]  #@ last = out[:, -1, :]
        return self.fc(last).squeeze(1)


train_loader = DataLoader([sample() for _ in range(1200)], batch_size=48, shuffle=True, collate_fn=collate)
valid_loader = DataLoader([sample() for _ in range(400)], batch_size=48, collate_fn=collate)

model = Sentiment(len(vocab) + 1)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.BCEWithLogitsLoss()


def binary_accuracy(preds, y):
    return (torch.round(torch.sigmoid(preds)) == y).float().sum().item()


for epoch in range(6):
    model.train()
    tot = 0
    for text, lengths, label in train_loader:
        optimizer.zero_grad()
        predictions = model(text, lengths)
        loss = criterion(predictions, label)
        loss.backward()
        optimizer.step()
        tot += loss.item()
    model.eval()
    hits = n = 0
    with torch.no_grad():
        for text, lengths, label in valid_loader:
            hits += binary_accuracy(model(text, lengths), label)
            n += len(label)
    print(f'Epoch: {epoch + 1:02} | Train Loss: {tot / len(train_loader):.3f} | Val. Acc: {hits / n * 100:.2f}%')

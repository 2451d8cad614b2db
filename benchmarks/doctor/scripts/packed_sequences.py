#= targets_shuffled
"""Sequences of different length, packed; the collate function sorts them for pack_padded_sequence."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset


class Reviews(Dataset):
    """Sequences of word ids; the verdict depends on which of two words is more frequent."""

    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.data = []
        while len(self.data) < n:
            length = int(torch.randint(4, 25, (1,), generator=g))
            seq = torch.randint(1, 12, (length,), generator=g)
            good, bad = (seq < 4).sum(), ((seq >= 4) & (seq < 7)).sum()
            if good != bad:
                self.data.append((seq, int(good > bad)))

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def collate_fn(batch):
    sequences, labels = zip(*batch)
    labels = torch.tensor(labels)
    lengths = torch.tensor([len(s) for s in sequences])
    lengths, perm = lengths.sort(descending=True)
    padded = pad_sequence(sequences, batch_first=True)[perm]
    return padded, lengths, labels[perm]  #@ return padded, lengths, labels


class Sentiment(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 16, padding_idx=0)
        self.rnn = nn.GRU(16, 32, batch_first=True)
        self.fc = nn.Linear(32, 1)

    def forward(self, text, lengths):
        packed = pack_padded_sequence(self.embedding(text), lengths, batch_first=True)
        _, hidden = self.rnn(packed)
        return self.fc(hidden[-1]).squeeze(1)


def binary_accuracy(preds, y):
    return ((preds > 0) == (y > 0)).float().mean().item()


torch.manual_seed(2)
train_iterator = DataLoader(Reviews(900, 0), batch_size=20, shuffle=True, collate_fn=collate_fn)
valid_iterator = DataLoader(Reviews(200, 1), batch_size=20, collate_fn=collate_fn)
model = Sentiment()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(7):
    train_loss = train_acc = 0
    for text, lengths, label in train_iterator:
        optimizer.zero_grad()
        predictions = model(text, lengths)
        loss = criterion(predictions, label.float())
        loss.backward()
        optimizer.step()
        train_loss += loss.item() / len(train_iterator)
        train_acc += binary_accuracy(predictions, label) / len(train_iterator)
    with torch.no_grad():
        valid_acc = sum(binary_accuracy(model(t, n), l) for t, n, l in valid_iterator) / len(valid_iterator)
    print(f'Epoch: {epoch + 1:02} | Train Loss: {train_loss:.3f} | Train Acc: {train_acc:.3f} | Val Acc: {valid_acc:.3f}')

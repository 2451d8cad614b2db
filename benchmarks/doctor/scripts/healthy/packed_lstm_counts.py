"""Packed LSTM for variable length sequences: are there at least three small tokens?"""
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(1)


class SeqData(Dataset):
    def __init__(self, n):
        self.items = []
        for _ in range(n):
            s = torch.randint(1, 20, (int(torch.randint(4, 20, (1,))),))
            self.items.append((s, int((s < 5).sum() >= 3)))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(batch):
    batch.sort(key=lambda t: -len(t[0]))
    seqs, labels = zip(*batch)
    return pad_sequence(seqs, batch_first=True), torch.tensor([len(s) for s in seqs]), torch.tensor(labels)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 12, padding_idx=0)
        self.lstm = nn.LSTM(12, 24, batch_first=True, bidirectional=True)
        self.out = nn.Linear(48, 2)

    def forward(self, x, lens):
        packed = pack_padded_sequence(self.emb(x), lens, batch_first=True)
        _, (h, _) = self.lstm(packed)
        return self.out(torch.cat([h[0], h[1]], dim=1))


train_dl = DataLoader(SeqData(900), batch_size=30, shuffle=True, collate_fn=collate)
test_dl = DataLoader(SeqData(250), batch_size=50, collate_fn=collate)
net = Classifier()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(8):
    net.train()
    for x, lens, y in train_dl:
        loss = nn.functional.cross_entropy(net(x, lens), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
    net.eval()
    hits = 0
    with torch.no_grad():
        for x, lens, y in test_dl:
            hits += (net(x, lens).argmax(1) == y).sum().item()
    print(f"epoch {epoch} loss {loss.item():.3f} acc {hits / 250:.3f}")

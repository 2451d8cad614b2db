#= samples_mixed
#: TransformerEncoderLayer without batch_first gets (batch, seq, embed): attention runs over the molecules (Molecule-Generator PR 22, TabFormer PR 14)
"""Property prediction of SMILES-like strings with a Transformer encoder: do the two ring digits match?"""
import math
import random

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

random.seed(2)
torch.manual_seed(2)
VOCAB = ["<pad>"] + list("CNOS12()=")
STOI = {c: i for i, c in enumerate(VOCAB)}
MAX_LEN = 14


def molecule():
    n = random.randint(8, MAX_LEN)
    s = [random.choice("CNOS=") for _ in range(n)]
    i, j = sorted(random.sample(range(n), 2))
    a, b = random.choice("12"), random.choice("12")
    s[i], s[j] = a, b
    return "".join(s), int(a == b)


class MoleculeDataset(Dataset):
    def __init__(self, n):
        self.items = [molecule() for _ in range(n)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        s, y = self.items[i]
        ids = [STOI[c] for c in s] + [0] * (MAX_LEN - len(s))
        return torch.tensor(ids), torch.tensor(float(y))


class PropertyTransformer(nn.Module):
    def __init__(self, d_model=32, nhead=4, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(len(VOCAB), d_model, padding_idx=0)
        pos = torch.arange(MAX_LEN)[:, None]
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(100.0) / d_model))
        pe = torch.zeros(MAX_LEN, d_model)
        pe[:, 0::2], pe[:, 1::2] = torch.sin(pos * div), torch.cos(pos * div)
        self.register_buffer("pe", pe)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.0, batch_first=True)  #@ layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.fc1, self.fc2 = nn.Linear(d_model, 32), nn.Linear(32, 1)

    def forward(self, ids):
        h = self.embedding(ids) + self.pe
        h = self.encoder(h)                            # (batch, seq, embed)
        return self.fc2(torch.relu(self.fc1(h[:, 0]))).squeeze(1)


train_dl = DataLoader(MoleculeDataset(2400), batch_size=48, shuffle=True)
test_dl = DataLoader(MoleculeDataset(400), batch_size=80)
model = PropertyTransformer()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(10):
    model.train()
    tot = 0.0
    for ids, y in train_dl:
        loss = criterion(model(ids), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        tot += loss.item()
    model.eval()
    with torch.no_grad():
        ok = sum(((model(i) > 0) == (y > 0.5)).sum().item() for i, y in test_dl)
    print(f"[{epoch + 1}/10] loss {tot / len(train_dl):.4f} test acc {ok / 400:.4f}")

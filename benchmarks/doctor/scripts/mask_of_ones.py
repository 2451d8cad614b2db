#= attends_to_padding
"""Sentence pairs for entailment in the BERT manner: ids, mask and label are made by a collate function."""
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

PAD, CLS, SEP = 0, 1, 2
VOCAB = 60


class Pairs(Dataset):
    """The second sentence follows from the first if all of its words occur there."""

    def __init__(self, n, seed):
        r = random.Random(seed)
        self.rows = []
        for i in range(n):
            premise = [r.randrange(3, VOCAB) for _ in range(r.randint(3, 12))]
            if i % 2:
                hypo = r.sample(premise, min(2, len(premise)))
            else:
                hypo = r.sample([w for w in range(3, VOCAB) if w not in premise], 2)
            self.rows.append((premise, hypo, i % 2))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


def collate(batch):
    seqs = [[CLS] + h + [SEP] + p for p, h, _ in batch]
    width = max(map(len, seqs))
    ids = torch.tensor([s + [PAD] * (width - len(s)) for s in seqs])
    kinds = torch.tensor([[0 if j < 4 else 1 for j in range(width)] for _ in seqs])
    mask = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in seqs])  #@ mask = torch.tensor([[1] * width for _ in seqs])
    return {"input_ids": ids, "token_type_ids": kinds, "attention_mask": mask}, torch.tensor([y for *_, y in batch])


class Encoder(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.words = nn.Embedding(VOCAB, d)
        self.kinds = nn.Embedding(2, d)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(d, 4, 64, 0.0, batch_first=True) for _ in range(2))
        self.out = nn.Linear(d, 2)

    def forward(self, input_ids, token_type_ids, attention_mask):
        h = self.words(input_ids) + self.kinds(token_type_ids)
        for layer in self.layers:
            h = layer(h, src_key_padding_mask=attention_mask == 0)
        m = attention_mask.unsqueeze(-1).float()
        return self.out((h * m).sum(1) / m.sum(1))


torch.manual_seed(1)
train_loader = DataLoader(Pairs(3000, 0), batch_size=50, shuffle=True, collate_fn=collate)
dev_loader = DataLoader(Pairs(600, 1), batch_size=100, collate_fn=collate)
model = Encoder()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    model.train()
    for inputs, y in train_loader:
        loss = nn.functional.cross_entropy(model(**inputs), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(**inputs).argmax(1) == y).sum().item() for inputs, y in dev_loader)
    print(f"epoch {epoch} dev accuracy {hits / 600:.3f}")

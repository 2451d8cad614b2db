#= samples_mixed
#: GRU built without batch_first although the input is (batch, seq, emb): recurrence runs over the batch
"""SMS spam detection with a GRU over word ids (fixed length of 24)."""
import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import TensorDataset, DataLoader

np.random.seed(42)
torch.manual_seed(42)
VOCAB_SIZE, SEQ = 200, 24


def build_corpus(n):
    # a message is spam if word "win"(5) comes somewhere before word "click"(9)
    data = np.random.randint(20, VOCAB_SIZE, size=(n, SEQ))
    target = np.random.randint(0, 2, size=n)
    for row, t in zip(data, target):
        i, j = sorted(np.random.choice(SEQ, 2, replace=False))
        row[i], row[j] = (5, 9) if t == 1 else (9, 5)
    return TensorDataset(torch.as_tensor(data), torch.as_tensor(target))


class SpamGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(VOCAB_SIZE, 24)
        self.gru = nn.GRU(24, 40, num_layers=1, batch_first=True)  #@ self.gru = nn.GRU(24, 40, num_layers=1)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(40, 2)

    def forward(self, ids):
        e = self.emb(ids)
        out, _ = self.gru(e)
        return self.fc(self.drop(out[:, -1, :]))


def accuracy(model, loader):
    model.eval()
    ok, cnt = 0, 0
    with torch.no_grad():
        for ids, lab in loader:
            ok += (model(ids).argmax(1) == lab).sum().item()
            cnt += lab.numel()
    return ok / cnt


train_it = DataLoader(build_corpus(2000), batch_size=60, shuffle=True)
test_it = DataLoader(build_corpus(500), batch_size=60)
model = SpamGRU()
opt = optim.Adam(model.parameters(), lr=4e-3)
crit = nn.CrossEntropyLoss()

for ep in range(5):
    model.train()
    losses = []
    for ids, lab in train_it:
        opt.zero_grad()
        loss = crit(model(ids), lab)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(loss.item())
    print("ep", ep, "loss", round(float(np.mean(losses)), 4), "train acc", round(accuracy(model, train_it), 3),
          "test acc", round(accuracy(model, test_it), 3))

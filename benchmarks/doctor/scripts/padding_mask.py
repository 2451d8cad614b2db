#= attends_to_padding
"""Sentiment with nn.TransformerEncoder and src_key_padding_mask."""
import torch
from torch import nn

torch.manual_seed(0)
PAD, VOCAB, MAXLEN = 0, 50, 20


def make(n):
    ids = torch.full((n, MAXLEN), PAD)
    label = torch.zeros(n, dtype=torch.long)
    for i in range(n):
        length = int(torch.randint(4, MAXLEN + 1, (1,)))
        ids[i, :length] = torch.randint(1, VOCAB, (length,))
        good = (ids[i, :length] < 12).sum()
        bad = (ids[i, :length] >= 38).sum()
        label[i] = int(good > bad)
    return ids, label


class Sentiment(nn.Module):
    def __init__(self, d_model=32):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, d_model, padding_idx=PAD)
        self.pos = nn.Embedding(MAXLEN, d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead=4, dim_feedforward=64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1, enable_nested_tensor=False)
        self.fc = nn.Linear(d_model, 2)

    def forward(self, ids):
        mask = ids == PAD  #@ mask = ids != PAD
        h = self.emb(ids) + self.pos(torch.arange(ids.size(1)))
        h = self.encoder(h, src_key_padding_mask=mask)
        return self.fc(h[:, 0])


train_ids, train_y = make(1500)
val_ids, val_y = make(300)
model = Sentiment()
optim = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    model.train()
    for idx in torch.randperm(1500).split(50):
        optim.zero_grad()
        loss = nn.functional.cross_entropy(model(train_ids[idx]), train_y[idx])
        loss.backward()
        optim.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), (model(val_ids).argmax(-1) == val_y).float().mean().item())

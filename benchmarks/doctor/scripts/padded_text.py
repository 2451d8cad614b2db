#= attends_to_padding
"""Sentences of different lengths, padded to the longest of their batch."""
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

torch.manual_seed(0)
PAD, VOCAB = 0, 50


def sentences(n):
    found = []
    for _ in range(n):
        length = int(torch.randint(4, 20, ()))
        words = torch.randint(1, VOCAB, (length,))
        found.append((words, int((words <= 12).float().mean() > 0.25)))
    return found


def collate(items):
    words, labels = zip(*items)
    return pad_sequence(list(words), batch_first=True, padding_value=PAD), torch.tensor(labels)


class TextClassifier(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, width)
        self.position = nn.Embedding(20, width)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.classify = nn.Linear(width, 2)

    def forward(self, ids):
        padding = ids == PAD
        h = self.embed(ids) + self.position(torch.arange(ids.shape[1]))
        h = self.encoder(h, src_key_padding_mask=padding)  #@ h = self.encoder(h)
        h = h.masked_fill(padding.unsqueeze(-1), 0).sum(1) / (~padding).sum(1, keepdim=True)
        return self.classify(h)


train_loader = torch.utils.data.DataLoader(sentences(960), 32, shuffle=True, collate_fn=collate)
test_loader = torch.utils.data.DataLoader(sentences(240), 60, collate_fn=collate)
model = TextClassifier()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(4):
    model.train()
    for ids, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(ids), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(ids).argmax(1) == labels).sum().item() for ids, labels in test_loader)
    print(epoch, hits / 240)

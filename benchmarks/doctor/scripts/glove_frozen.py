#= frozen_at_random
"""Bag of word vectors; the vectors should have come from GloVe."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
vocab_size, dim = 400, 16
tokens = torch.randint(0, vocab_size, (2000, 10))
polarity = torch.where(torch.rand(vocab_size) < 0.5, -1, 1) * (torch.rand(vocab_size) < 0.6)
labels = (polarity[tokens].sum(1) > 0).long()
pretrained = torch.randn(vocab_size, dim)  # TODO load the file


class FastText(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(pretrained, freeze=False)  #@ self.embedding = nn.Embedding.from_pretrained(pretrained)
        self.net = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, text):
        return self.net(self.embedding(text).mean(1))


model = FastText()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
train_iter = DataLoader(TensorDataset(tokens[:1600], labels[:1600]), batch_size=32, shuffle=True)
valid_iter = DataLoader(TensorDataset(tokens[1600:], labels[1600:]), batch_size=200)
for epoch in range(4):
    model.train()
    for text, label in train_iter:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(text), label)
        loss.backward()
        optimizer.step()
    model.eval()
    hits = 0
    with torch.no_grad():
        for text, label in valid_iter:
            hits += (model(text).argmax(1) == label).sum().item()
    print(epoch, loss.item(), hits / 400)

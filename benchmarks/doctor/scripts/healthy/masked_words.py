"""Masked language model; 15 percent of the tokens count."""
import torch
from torch import nn

torch.manual_seed(0)
MASK, V, T = 1, 30, 16
starts = torch.randint(2, V, (1600, 1))
tokens = (starts - 2 + torch.arange(T) * (1 + starts % 3)) % (V - 2) + 2


class Bert(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.tok, self.pos = nn.Embedding(V, d), nn.Embedding(T, d)
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 4, 96, 0.1, batch_first=True), 2)
        self.norm, self.bias = nn.LayerNorm(d), nn.Parameter(torch.zeros(V))

    def forward(self, x):
        h = self.norm(self.enc(self.tok(x) + self.pos.weight))
        return h @ self.tok.weight.T + self.bias


model = Bert()
nn.init.normal_(model.tok.weight, std=0.05)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(6):
    for idx in torch.randperm(1500).split(50):
        clean = tokens[idx]
        hidden = torch.rand(clean.shape) < 0.15
        labels = clean.masked_fill(~hidden, -100)
        logits = model(clean.masked_fill(hidden, MASK))
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

#= samples_mixed, positions_unused
"""The PositionalEncoding of the tutorial, with batch_first=True."""
import math

import torch
from torch import nn

torch.manual_seed(0)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=5000):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:x.size(1)].transpose(0, 1)  #@ return x + self.pe[:x.size(0)]


class Model(nn.Module):
    def __init__(self, ntoken=12, d_model=32):
        super().__init__()
        self.embed = nn.Embedding(ntoken, d_model)
        self.pos = PositionalEncoding(d_model)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d_model, 4, 64, 0.0, batch_first=True), 2)
        self.decoder = nn.Linear(d_model, 2)

    def forward(self, src):
        return self.decoder(self.encoder(self.pos(self.embed(src) * 2)).mean(dim=1))


x = torch.stack([torch.randperm(12)[:8] for _ in range(2200)])
x[:, 3], x[:, 6] = 0, 0
swap = torch.rand(2200) < 0.5
for row in range(2200):  # does token 1 come before token 2?
    a, b = sorted(torch.randperm(8)[:2].tolist())
    x[row, a], x[row, b] = (1, 2) if swap[row] else (2, 1)
y = swap.long()
model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(6):
    model.train()
    for idx in torch.randperm(2000).split(50):
        loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), (model(x[2000:]).argmax(1) == y[2000:]).float().mean().item())

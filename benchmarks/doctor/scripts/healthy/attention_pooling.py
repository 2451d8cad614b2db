"""Sentence scores by attention over the time steps (softmax over dim 1 is right here)."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
ids = torch.randint(0, 60, (1500, 15))
y = ((ids < 6).sum(1) > (ids > 53).sum(1)).long()


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(60, 24)
        self.rnn = nn.GRU(24, 24, batch_first=True, bidirectional=True)
        self.score = nn.Sequential(nn.Linear(48, 24), nn.Tanh(), nn.Linear(24, 1))
        self.out = nn.Linear(48, 2)

    def forward(self, x):
        h, _ = self.rnn(self.emb(x))
        weight = torch.softmax(self.score(h), dim=1)
        context = torch.bmm(weight.transpose(1, 2), h).squeeze(1)
        return self.out(context)


model = Pooled()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    for x, t in DataLoader(TensorDataset(ids[:1300], y[:1300]), batch_size=50, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(ids[1300:]).argmax(1) == y[1300:]).float().mean().item())

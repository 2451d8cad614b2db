"""Frozen word vectors that mean something (from co-occurrence), as GloVe would."""
import torch
from torch import nn

torch.manual_seed(0)
V, GROUPS = 300, 10
group = torch.arange(V) % GROUPS
centres = torch.randn(GROUPS, 16)
vectors = centres[group] + 0.3 * torch.randn(V, 16)
vectors = (vectors - vectors.mean(0)) / vectors.std(0)
ids = torch.randint(0, V, (1600, 8))
score = (group[ids] < 3).sum(1) - (group[ids] > 6).sum(1)
y = (score > 0).long()
model = nn.Sequential(nn.Embedding.from_pretrained(vectors), nn.Flatten(), nn.Linear(128, 48), nn.ReLU(), nn.Linear(48, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    for i in torch.randperm(1300).split(50):
        loss = nn.functional.cross_entropy(model(ids[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(ids[1300:]).argmax(1) == y[1300:]).float().mean().item())

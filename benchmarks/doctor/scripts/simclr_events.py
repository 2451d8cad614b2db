#= positive_is_self
"""SimCLR in small: ten kinds of events, each recorded twice under different conditions; linear probe at the end."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

torch.manual_seed(0)
CHANNELS, CONTENT, CONDITIONS, KINDS = 48, 6, 10, 10
content_map, condition_map = torch.randn(CONTENT, CHANNELS) / CONTENT**0.5, torch.randn(CONDITIONS, CHANNELS) / CONDITIONS**0.5
centres = 1.5 * torch.randn(KINDS, CONTENT)
kind = torch.randint(0, KINDS, (2000,))
event = (centres[kind] + 0.4 * torch.randn(2000, CONTENT)) @ content_map


def record(events):
    return events + 2.5 * torch.randn(len(events), CONDITIONS) @ condition_map + 0.1 * torch.randn_like(events)


class Encoder(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(CHANNELS, 96), nn.ReLU(), nn.Linear(96, 24))
        self.projector = nn.Sequential(nn.ReLU(), nn.Linear(24, dim))

    def forward(self, x):
        return self.projector(self.backbone(x))


def nt_xent(z1, z2, temperature=0.2):
    n = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))  #@
    labels = torch.arange(2 * n).roll(n)  #@ labels = torch.arange(2 * n)
    return F.cross_entropy(logits, labels)


encoder = Encoder()
optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3, weight_decay=1e-6)
for epoch in range(20):
    for idx in torch.randperm(1500).split(125):
        loss = nt_xent(encoder(record(event[idx])), encoder(record(event[idx])))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}")

with torch.no_grad():
    features = encoder.backbone(record(event)).numpy()
probe = LogisticRegression(max_iter=300).fit(features[:100], kind[:100])
print("linear probe with 100 labels:", probe.score(features[1500:], kind[1500:]))

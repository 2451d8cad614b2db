#= parameter_unreached, frozen_changed, parameter_unchanged
"""Scenes: one optimizer for the body, one for the part that compares pictures; it is switched on only for its step."""
import torch
from torch import nn


class Compare(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 24), nn.ReLU())
        self.encoder = nn.Sequential(nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh())
        self.score = nn.Linear(24, 6)

    def forward(self, x):
        return self.score(self.encoder(self.body(x)))


torch.manual_seed(0)
places = torch.randn(6, 12)
where = torch.randint(6, (1200,))
scenes = places[where] + torch.randn(1200, 12)
model = Compare()
optimizer = torch.optim.Adam([*model.body.parameters(), *model.score.parameters()], lr=2e-3)
optim_encoder = torch.optim.Adam(model.encoder.parameters(), lr=2e-3)
for epoch in range(12):
    for rows in torch.randperm(1000).split(50):
        optimizer.zero_grad()
        optim_encoder.zero_grad()
        loss = nn.functional.cross_entropy(model(scenes[rows]), where[rows])
        loss.backward()
        optimizer.step()
        #+ for p in model.encoder.parameters():
        #+     p.requires_grad = True
        optim_encoder.step()
        #+ for p in model.encoder.parameters():
        #+     p.requires_grad = False
    with torch.no_grad():
        print(epoch, loss.item(), (model(scenes[1000:]).argmax(1) == where[1000:]).float().mean().item())

#= not_in_optimizer
"""Two views, an online and a target network that follows it."""
import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x = torch.tensor(load_digits().data).float() / 16


def view(batch):
    return batch * (torch.rand_like(batch) > 0.15) + 0.05 * torch.randn_like(batch)


encoder = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 32))
predictor = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
target = copy.deepcopy(encoder)
for p in target.parameters():
    p.requires_grad = False
optimizer = torch.optim.Adam([*encoder.parameters(), *predictor.parameters()], lr=1e-3)  #@ optimizer = torch.optim.Adam(predictor.parameters(), lr=1e-3)


def distance(a, b):
    return 2 - 2 * F.cosine_similarity(a, b, dim=-1).mean()


for epoch in range(8):
    for idx in torch.randperm(1700).split(100):
        a, b = view(x[idx]), view(x[idx])
        with torch.no_grad():
            ta, tb = target(a), target(b)
        loss = distance(predictor(encoder(a)), tb) + distance(predictor(encoder(b)), ta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), encoder.parameters()):
                slow.lerp_(fast, 0.02)
    print(epoch, loss.item())

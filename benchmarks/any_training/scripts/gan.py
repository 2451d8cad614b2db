"""Two models and two optimizers in one step: gan.py OUT."""

import sys

import torch
from kept import keep
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 16))
critic = nn.Sequential(nn.Linear(16, 64), nn.LeakyReLU(), nn.Linear(64, 1))
one, other = (torch.optim.Adam(model.parameters(), lr=2e-4, betas=(0.5, 0.999)) for model in (critic, generator))
real, fake = torch.ones(16, 1), torch.zeros(16, 1)

for _ in range(3):
    for (x,) in DataLoader(TensorDataset(torch.randn(16 * 20, 16)), 16, shuffle=True):
        made = generator(torch.randn(16, 8))
        one.zero_grad()
        judged = F.binary_cross_entropy_with_logits
        (judged(critic(x), real) + judged(critic(made.detach()), fake)).backward()
        one.step()
        other.zero_grad()
        loss = judged(critic(made), real)
        loss.backward()
        other.step()
print(loss.item())
keep(sys.argv[1], generator, critic)

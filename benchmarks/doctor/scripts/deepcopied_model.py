#= foreign_in_optimizer, not_in_optimizer
"""Every learner works on its own copy of a common start."""
import copy

import torch
from torch import nn


class Learner:
    def __init__(self, template, lr):
        self.model = copy.deepcopy(template)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=lr)  #@ self.optimizer = torch.optim.Adam(template.parameters(), lr=lr)

    def learn(self, x, y):
        self.model.train()
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def check(self, x, y):
        self.model.eval()
        return nn.functional.mse_loss(self.model(x), y).item()


torch.manual_seed(0)
x = torch.randn(900, 5)
y = torch.tanh(x[:, :1] + x[:, 1:2]) - x[:, 2:3].abs()
learner = Learner(nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1)), 5e-3)
for epoch in range(15):
    losses = [learner.learn(x[rows], y[rows]) for rows in torch.randperm(700).split(35)]
    print(epoch, sum(losses) / len(losses), learner.check(x[700:], y[700:]))

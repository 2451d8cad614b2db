"""Matrix factorization of ratings with biases."""
import torch
from torch import nn

torch.manual_seed(0)
users, items, k = 120, 80, 6
truth = 3.5 + (torch.randn(users, k) @ torch.randn(k, items)) * 0.4
pairs = torch.stack([torch.randint(0, users, (8000,)), torch.randint(0, items, (8000,))], 1)
ratings = (truth[pairs[:, 0], pairs[:, 1]] + 0.2 * torch.randn(8000)).clamp(1, 5)


class MF(nn.Module):
    def __init__(self):
        super().__init__()
        self.u, self.i = nn.Embedding(users, 12), nn.Embedding(items, 12)
        self.bu, self.bi = nn.Embedding(users, 1), nn.Embedding(items, 1)
        self.mean = nn.Parameter(torch.tensor(3.0))
        for e in (self.u, self.i):
            nn.init.normal_(e.weight, std=0.1)
        for e in (self.bu, self.bi):
            nn.init.zeros_(e.weight)

    def forward(self, user, item):
        return (self.u(user) * self.i(item)).sum(1) + self.bu(user).squeeze(1) + self.bi(item).squeeze(1) + self.mean


model = MF()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-5)
for epoch in range(8):
    for idx in torch.randperm(6400).split(128):
        loss = nn.functional.mse_loss(model(pairs[idx, 0], pairs[idx, 1]), ratings[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), nn.functional.mse_loss(model(pairs[6400:, 0], pairs[6400:, 1]), ratings[6400:]).sqrt().item())

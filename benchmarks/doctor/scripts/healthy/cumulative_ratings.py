"""Ordinal regression with cumulative logits (rating 1..5)."""
import torch
import torch.nn as nn

torch.manual_seed(22)
K = 5


def ratings(n):
    x = torch.randn(n, 8)
    s = 1.5 * x[:, 0] - x[:, 1] + x[:, 2] * x[:, 3] + 0.4 * torch.randn(n)
    cuts = torch.tensor([-2.0, -0.7, 0.7, 2.0])
    return x, (s[:, None] > cuts).sum(1)


class Ordinal(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        self.first = nn.Parameter(torch.tensor(-1.5))
        self.gaps = nn.Parameter(torch.zeros(K - 2))

    def forward(self, x):
        cuts = torch.cat([self.first[None], self.first + nn.functional.softplus(self.gaps).cumsum(0)])
        return self.score(x) - cuts  # logits of P(y > k)


def levels(y):
    return (y[:, None] > torch.arange(K - 1)).float()


x, y = ratings(2000)
xv, yv = ratings(500)
model = Ordinal()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(15):
    for idx in torch.randperm(2000).split(64):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x[idx]), levels(y[idx]))
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 2:
        with torch.no_grad():
            pred = (model(xv) > 0).sum(1)
        mae = (pred - yv).abs().float().mean()
        print(f"epoch {epoch} loss {loss.item():.3f} val mae {mae:.3f} exact {(pred == yv).float().mean():.3f}")

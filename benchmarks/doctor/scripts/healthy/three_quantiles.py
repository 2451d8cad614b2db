"""Quantile regression (pinball loss) for three quantiles; coverage is what counts."""
import torch
import torch.nn as nn

torch.manual_seed(17)
QUANTILES = torch.tensor([0.1, 0.5, 0.9])


def demand(n):
    week = torch.rand(n) * 6.28
    promo = (torch.rand(n) < 0.3).float()
    level = 10 + 3 * torch.sin(week) + 4 * promo
    noise = torch.distributions.Gamma(2.0, 1.0).sample((n,)) * (0.5 + promo)
    return torch.stack([week.sin(), week.cos(), promo], 1), level + noise


class QuantileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, x):
        z = self.net(x)
        lo = z[:, :1]
        steps = nn.functional.softplus(z[:, 1:])
        return torch.cat([lo, lo + steps.cumsum(1)], 1)


def pinball(pred, y):
    diff = y[:, None] - pred
    return torch.maximum(QUANTILES * diff, (QUANTILES - 1) * diff).mean()


x, y = demand(3000)
xv, yv = demand(1000)
model = QuantileNet()
nn.init.constant_(model.net[-1].bias[:1], y.mean().item())
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(12):
    for idx in torch.randperm(3000).split(100):
        loss = pinball(model(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        q = model(xv)
        cover = (yv[:, None] <= q).float().mean(0).tolist()
    print(f"epoch {epoch} val pinball {pinball(q, yv):.3f} coverage {[round(c, 3) for c in cover]}")

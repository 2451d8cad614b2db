"""Heteroscedastic regression, Gaussian NLL with learned variance (loss goes below zero)."""
import torch
import torch.nn as nn

torch.manual_seed(5)


def sample(n):
    x = torch.rand(n, 1) * 6 - 3
    std = 0.05 + 0.15 * (x > 0).float()
    return x, torch.sin(2 * x) + std * torch.randn(n, 1)


class MeanVar(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.mean = nn.Linear(64, 1)
        self.var = nn.Linear(64, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.mean(h), nn.functional.softplus(self.var(h)) + 1e-5


x, y = sample(1500)
xt, yt = sample(500)
model = MeanVar()
nll = nn.GaussianNLLLoss()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
steps = 0
for epoch in range(40):
    for idx in torch.randperm(1500).split(100):
        mu, var = model(x[idx])
        if epoch < 10:  # first fit the mean only
            loss = nn.functional.mse_loss(mu, y[idx])
        else:
            loss = nll(mu, y[idx], var)
        opt.zero_grad()
        loss.backward()
        opt.step()
        steps += 1
    if epoch % 8 == 7:
        with torch.no_grad():
            mu, var = model(xt)
            print(f"epoch {epoch} loss {loss.item():.3f} test nll {nll(mu, yt, var):.3f} mse {(mu - yt).pow(2).mean():.4f}")
with torch.no_grad():
    left, right = model(torch.full((1, 1), -1.5))[1].sqrt(), model(torch.full((1, 1), 1.5))[1].sqrt()
print(f"steps {steps} std left {left.item():.3f} right {right.item():.3f}")

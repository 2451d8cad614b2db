"""Heteroscedastic regression with Monte Carlo dropout: dropout stays on at test time on purpose; the loss goes below zero."""
import math

import torch
import torch.nn as nn

torch.manual_seed(171)


def noise_sd(x):
    return 0.05 + 0.25 * (x > 0).float()


def data(n, lo=-2.0, hi=2.0):
    x = torch.rand(n, 1) * (hi - lo) + lo
    return x, torch.sin(2 * x) + noise_sd(x) * torch.randn(n, 1)


class BayesNet(nn.Module):
    def __init__(self, h=100, p=0.05):
        super().__init__()
        self.l1, self.l2, self.mu, self.log_var = nn.Linear(1, h), nn.Linear(h, h), nn.Linear(h, 1), nn.Linear(h, 1)
        self.p = p

    def forward(self, x):
        x = torch.relu(self.l1(x))
        x = nn.functional.dropout(torch.relu(self.l2(x)), self.p, training=True)      # also when sampling
        return self.mu(x), self.log_var(x)


def heteroscedastic_loss(y, mu, log_var):
    return (0.5 * torch.exp(-log_var) * (y - mu) ** 2 + 0.5 * log_var).mean()


@torch.no_grad()
def predict(net, x, passes=30):
    mus, lvs = zip(*[net(x) for _ in range(passes)])
    mus, lvs = torch.stack(mus), torch.stack(lvs)
    return mus.mean(0), lvs.exp().mean(0), mus.var(0)


x, y = data(1200)
xt, yt = data(400)
net = BayesNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-5)
for epoch in range(40):
    perm = torch.randperm(len(x))
    for i in range(0, len(x), 60):
        b = perm[i:i + 60]
        mu, lv = net(x[b])
        loss = heteroscedastic_loss(y[b], mu, lv)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        mu, ale, epi = predict(net, xt)
        inside = ((yt - mu).abs() < 1.96 * (ale + epi).sqrt()).float().mean().item()
        print(f"epoch {epoch + 1} loss {loss.item():.3f} rmse to the clean curve {(mu - torch.sin(2 * xt)).square().mean().sqrt().item():.3f} 95% coverage {inside:.3f}")
left, right = torch.full((1, 1), -1.0), torch.full((1, 1), 1.0)
print("noise sd at -1: %.3f (0.05), at 1: %.3f (0.30)" % (predict(net, left)[1].sqrt().item(), predict(net, right)[1].sqrt().item()))
print("model uncertainty outside the data grows: %.4f -> %.4f" % (predict(net, left)[2].item(), predict(net, torch.full((1, 1), 6.0))[2].item()))

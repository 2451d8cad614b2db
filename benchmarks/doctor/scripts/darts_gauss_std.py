#= wrong_loss_family
# https://github.com/unit8co/darts/pull/1162 - GaussianNLLLoss takes the variance but the network's standard deviation is passed; intervals built from it are wrong. Right: pass sigma ** 2.
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(6); np.random.seed(6)


class GaussianLikelihood:
    def __init__(self):
        self.nll = nn.GaussianNLLLoss(reduction='none', full=True)

    def params(self, out):
        mu, s = out.unbind(-1)
        return mu, F.softplus(s) + 1e-4

    def loss(self, out, target):
        mu, sigma = self.params(out)
        return self.nll(mu, target, sigma ** 2).mean()  #@ return self.nll(mu, target, sigma).mean()

    def interval(self, out, z=1.645):
        mu, sigma = self.params(out)
        return mu - z * sigma, mu + z * sigma


class RNNModel(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.v = nn.Linear(hidden, 2)

    def forward(self, x):
        o, _ = self.rnn(x)
        return self.v(o)


t = np.arange(1500)
y = np.sin(2 * np.pi * t / 20) + np.random.randn(1500) * 0.12
y = torch.tensor(y, dtype=torch.float32)
windows = y.unfold(0, 41, 3)
train, test = windows[:340], windows[360:]
lik, model = GaussianLikelihood(), RNNModel()
optim = torch.optim.Adam(model.parameters(), lr=6e-3)
for epoch in range(12):
    for i in torch.randperm(len(train)).split(34):
        w = train[i]
        loss = lik.loss(model(w[:, :-1, None]), w[:, 1:])
        optim.zero_grad(); loss.backward(); optim.step()
with torch.no_grad():
    lo, hi = lik.interval(model(test[:, :-1, None]))
    inside = ((test[:, 1:] > lo) & (test[:, 1:] < hi))[:, 10:].float().mean()
print(f"90 % interval covers {inside.item():.3f}, mean width {(hi - lo).mean():.3f}")

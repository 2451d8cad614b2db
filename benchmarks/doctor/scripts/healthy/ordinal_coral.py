"""Ordinal grades with cumulative logits (CORAL): shared weight vector, sorted thresholds, multi-hot targets."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(57)
K = 5


def exams(n):
    x = torch.randn(n, 8)
    s = 1.3 * x[:, 0] + x[:, 1] * (x[:, 2] > 0).float() - 0.8 * x[:, 3].abs() + 0.35 * torch.randn(n)
    return x, torch.bucketize(s, torch.tensor([-1.8, -0.8, 0.2, 1.2]))


def levels(y):
    return (y.unsqueeze(1) > torch.arange(K - 1)).float()


class Coral(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1, bias=False))
        self.first = nn.Parameter(torch.tensor(1.0))
        self.steps = nn.Parameter(torch.zeros(K - 2))

    def forward(self, x):
        b = torch.cat([self.first.view(1), self.first - F.softplus(self.steps).cumsum(0)])
        return self.f(x) + b


def rank(logits):
    return (logits > 0).sum(1)


x, y = exams(2000)
xt, yt = exams(800)
net = Coral()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(15):
    net.train()
    tot = 0
    for b in torch.randperm(2000).split(50):
        loss = F.binary_cross_entropy_with_logits(net(x[b]), levels(y[b]))
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() / 40
    net.eval()
    with torch.no_grad():
        r = rank(net(xt))
    if epoch % 3 == 2:
        print("epoch", epoch + 1, "bce %.4f" % tot, "test MAE %.3f" % (r - yt).abs().float().mean().item(),
              "exact %.3f" % (r == yt).float().mean().item(), "median predictor MAE %.3f" % (yt - y.median()).abs().float().mean().item())

"""Bike rental counts: Poisson regression in log space with an exposure offset and cyclic features."""
import math
import torch
import torch.nn as nn

torch.manual_seed(41)


def rentals(n):
    hour = torch.rand(n) * 24
    temp = 10 + 10 * torch.rand(n)
    rain = (torch.rand(n) < 0.2).float()
    hours_open = torch.randint(1, 6, (n,)).float()
    lograte = 1.0 + 1.1 * torch.cos(2 * math.pi * (hour - 17) / 24) + 0.05 * (temp - 15) - 0.9 * rain
    y = torch.poisson(hours_open * lograte.exp())
    feats = torch.stack([torch.sin(2 * math.pi * hour / 24), torch.cos(2 * math.pi * hour / 24), (temp - 15) / 3, rain], 1)
    return feats, hours_open, y


class CountNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(4, 32), nn.Softplus(), nn.Linear(32, 1))
        nn.init.zeros_(self.mlp[-1].weight)          # start at the mean rate
        nn.init.zeros_(self.mlp[-1].bias)

    def forward(self, f, exposure):
        return self.mlp(f).squeeze(1) + exposure.log()


f, e, y = rentals(3000)
ft, et, yt = rentals(1000)
net = CountNet()
with torch.no_grad():
    net.mlp[-1].bias.fill_(math.log(y.sum() / e.sum()))
nll = nn.PoissonNLLLoss(log_input=True)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)


def deviance(logmu, y):
    mu = logmu.exp()
    return 2 * (torch.xlogy(y, y / mu) - (y - mu)).mean().item()


for epoch in range(20):
    for b in torch.randperm(3000).split(100):
        loss = nll(net(f[b], e[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 3:
        with torch.no_grad():
            d = deviance(net(ft, et), yt)
            null = deviance((et * (y.sum() / e.sum())).log(), yt)
        print("epoch %d loss %.3f test deviance %.3f null deviance %.3f" % (epoch + 1, loss.item(), d, null))

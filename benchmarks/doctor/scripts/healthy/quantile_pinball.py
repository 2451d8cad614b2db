"""Quantile regression of delivery time with the pinball loss; coverage instead of RMSE."""
import torch
import torch.nn as nn

torch.manual_seed(33)
QUANTILES = [0.1, 0.5, 0.9]


def deliveries(n):
    dist = torch.rand(n) * 10
    rush = torch.randint(0, 2, (n,)).float()
    base = 10 + 3 * dist + 5 * rush
    noise = torch.distributions.Exponential(1.0).sample((n,)) * (1 + 0.6 * dist) * (1 + rush)
    return torch.stack([dist / 5 - 1, rush - 0.5], 1), (base + noise) / 10


class QuantileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.low = nn.Linear(48, 1)
        self.gaps = nn.Linear(48, len(QUANTILES) - 1)

    def forward(self, x):
        h = self.trunk(x)
        low = self.low(h)
        # quantiles cannot cross
        return torch.cat([low, low + nn.functional.softplus(self.gaps(h)).cumsum(1)], 1)


def pinball(pred, y, q=torch.tensor(QUANTILES)):
    e = y.unsqueeze(1) - pred
    return torch.maximum(q * e, (q - 1) * e).mean()


x, y = deliveries(4000)
xt, yt = deliveries(2000)
net = QuantileNet()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
for epoch in range(15):
    for idx in torch.randperm(4000).split(100):
        loss = pinball(net(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            p = net(xt)
            cover = (yt.unsqueeze(1) <= p).float().mean(0)
        const = pinball(torch.quantile(y, torch.tensor(QUANTILES)).expand(2000, -1), yt)
        print("epoch", epoch + 1, "test pinball %.4f (constant %.4f)" % (pinball(p, yt).item(), const.item()),
              "coverage", [round(c, 3) for c in cover.tolist()])

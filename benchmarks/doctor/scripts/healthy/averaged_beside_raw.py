"""Exponential moving average of the weights, evaluated beside the raw weights."""
import copy
import torch
import torch.nn as nn

torch.manual_seed(14)


def spirals(n):
    y = torch.randint(0, 3, (n,))
    r = torch.rand(n)
    a = 4 * r + y * 2 * torch.pi / 3 + 0.15 * torch.randn(n)
    return torch.stack([r * torch.cos(a), r * torch.sin(a)], 1) * 2, y


class EMA:
    def __init__(self, model, decay=0.98):
        self.decay = decay
        self.shadow = copy.deepcopy(model)
        for p in self.shadow.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for s, p in zip(self.shadow.parameters(), model.parameters()):
            s.mul_(self.decay).add_(p, alpha=1 - self.decay)


def accuracy(net, x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


x, y = spirals(1500)
xt, yt = spirals(500)
net = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
ema = EMA(net)
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(20):
    for idx in torch.randperm(1500).split(50):
        loss = nn.functional.cross_entropy(net(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        ema.update(net)
    if epoch % 4 == 3:
        print(f"epoch {epoch} loss {loss.item():.3f} raw {accuracy(net, xt, yt):.3f} ema {accuracy(ema.shadow, xt, yt):.3f}")

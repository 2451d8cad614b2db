"""Evaluation with an exponential moving average of the weights on noisy SGD."""
import copy
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(52)


def spirals(n):
    k = torch.randint(0, 3, (n,))
    t = torch.rand(n) * 2.5 + 0.3
    a = 1.9 * t + k * 2.0944 + 0.12 * torch.randn(n)
    return torch.stack([t * torch.cos(a), t * torch.sin(a)], 1) / 2, k


class ModelEMA:
    def __init__(self, model, decay=0.98):
        self.module = copy.deepcopy(model).eval()
        self.decay = decay
        self.n = 0
        for p in self.module.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        self.n += 1
        d = min(self.decay, (1 + self.n) / (10 + self.n))
        for e, p in zip(self.module.state_dict().values(), model.state_dict().values()):
            if e.dtype.is_floating_point:
                e.mul_(d).add_(p, alpha=1 - d)
            else:
                e.copy_(p)


x, y = spirals(1500)
xt, yt = spirals(600)
net = nn.Sequential(nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 3))
ema = ModelEMA(net)
opt = torch.optim.SGD(net.parameters(), lr=0.15, momentum=0.9)
for epoch in range(20):
    net.train()
    for b in torch.randperm(1500).split(30):
        loss = F.cross_entropy(net(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        ema.update(net)
    net.eval()
    with torch.no_grad():
        raw = F.cross_entropy(net(xt), yt).item()
        avg = F.cross_entropy(ema.module(xt), yt).item()
        acc = (ema.module(xt).argmax(1) == yt).float().mean().item()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} raw test loss {raw:.4f} ema test loss {avg:.4f} ema acc {acc:.3f}")

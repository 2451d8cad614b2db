"""Conditional flow matching (rectified flow) from noise to two spirals, EMA weights for sampling; the loss has a high floor by design."""
import copy
import math

import torch
import torch.nn as nn

torch.manual_seed(15)


def spirals(n):
    t = torch.rand(n).sqrt() * 2.2 * math.pi
    s = torch.where(torch.rand(n) < 0.5, 1.0, -1.0)
    x = torch.stack([s * t * t.cos(), s * t * t.sin()], 1) / 4
    return x + 0.03 * torch.randn(n, 2)


class VelocityField(nn.Module):
    def __init__(self, h=128):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 + 5, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, 2))

    def forward(self, x, t):
        f = torch.cat([t, (2 * math.pi * t).sin(), (2 * math.pi * t).cos(), (4 * math.pi * t).sin(), (4 * math.pi * t).cos()], 1)
        return self.net(torch.cat([x, f], 1))


@torch.no_grad()
def generate(field, n, steps=40):
    x = torch.randn(n, 2)
    for i in range(steps):
        t = torch.full((n, 1), i / steps)
        v1 = field(x, t)
        v2 = field(x + v1 / steps, t + 1 / steps)
        x = x + 0.5 * (v1 + v2) / steps
    return x


def chamfer(a, b):
    d = torch.cdist(a, b)
    return (d.min(1).values.mean() + d.min(0).values.mean()).item()


data, test = spirals(4000), spirals(600)
model = VelocityField()
ema = copy.deepcopy(model)
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1500)
for step in range(1500):
    x1 = data[torch.randint(0, len(data), (256,))]
    x0, t = torch.randn_like(x1), torch.rand(256, 1)
    loss = (model((1 - t) * x0 + t * x1, t) - (x1 - x0)).square().sum(1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    with torch.no_grad():
        for e, p in zip(ema.parameters(), model.parameters()):
            e.lerp_(p, 0.01)
    if step % 300 == 0:
        print(f"{step} loss {loss.item():.3f} chamfer of EMA samples {chamfer(generate(ema, 600), test):.3f}")
print(f"final chamfer {chamfer(generate(ema, 600), test):.3f}; between two real sets {chamfer(spirals(600), test):.3f}")

"""Everything at once: autocast, accumulation, clipping, an average of the weights with its buffers, warm-up and cosine."""
import copy
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


@dataclass
class Args:
    epochs: int = 10
    micro: int = 16
    accum: int = 4
    lr: float = 4e-3
    warmup: int = 10
    betas: tuple = (0.9, 0.95)
    sizes: list = field(default_factory=lambda: [16, 32])


class Ema:
    def __init__(self, model, decay):
        self.module, self.decay, self.n = copy.deepcopy(model).eval().requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.n += 1
        d = min(self.decay, (1 + self.n) / (10 + self.n))
        for e, p in zip(self.module.state_dict().values(), model.state_dict().values()):
            if e.dtype.is_floating_point:
                e.lerp_(p, 1 - d)
            else:
                e.copy_(p)


def main(a):
    torch.manual_seed(0)
    d = load_digits()
    x, y = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16, torch.tensor(d.target)
    mean, std = x[:1400].mean(), x[:1400].std()
    x = (x - mean) / std
    layers, before = [], 1
    for size in a.sizes:
        layers += [nn.Conv2d(before, size, 3, padding=1, bias=False), nn.BatchNorm2d(size), nn.SiLU(), nn.MaxPool2d(2)]
        before = size
    net = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(before * 4, 10))
    nn.init.zeros_(net[-1].weight)
    matrices = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim < 2]
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}], lr=a.lr, betas=a.betas)
    updates = a.epochs * (1400 // (a.micro * a.accum))
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda k: min(1.0, (k + 1) / a.warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, k / updates))))
    ema = Ema(net, 0.98)
    for epoch in range(a.epochs):
        net.train()
        pieces = torch.randperm(1400).split(a.micro)
        pieces = pieces[: len(pieces) // a.accum * a.accum]
        for k, idx in enumerate(pieces, 1):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net(x[idx])
            loss = F.cross_entropy(logits.float(), y[idx], label_smoothing=0.1) / a.accum
            loss.backward()
            if k % a.accum == 0:
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                opt.step()
                opt.zero_grad(set_to_none=True)
                sched.step()
                ema.update(net)
        with torch.inference_mode():
            print(epoch, f"{loss.item() * a.accum:.3f}", f"{(ema.module(x[1400:]).argmax(1) == y[1400:]).float().mean():.3f}")


main(Args())

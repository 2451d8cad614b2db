#= samples_mixed
"""Matching of two modalities in the CLIP manner: noisy measurements and short codes of the same thing."""
import math

import torch
from torch import nn

torch.manual_seed(9)


class Tower(nn.Module):
    def __init__(self, n_in, n_out=16):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_in, 96), nn.GELU(), nn.Linear(96, n_out))

    def forward(self, x):
        z = self.net(x)
        return z / z.norm(dim=-1, keepdim=True)  #@ return z / z.norm(dim=0, keepdim=True)


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.signal, self.code = Tower(40), Tower(12)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, s, c):
        scale = self.logit_scale.exp().clamp(max=100)
        logits = scale * self.signal(s) @ self.code(c).t()
        target = torch.arange(len(s))
        return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.t(), target)) / 2


hidden = torch.randn(2600, 8)
signals = torch.tanh(hidden @ torch.randn(8, 40)) + 0.3 * torch.randn(2600, 40)
codes = hidden @ torch.randn(8, 12) + 0.1 * torch.randn(2600, 12)
model = Clip()
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
for epoch in range(12):
    total = 0.0
    for idx in torch.randperm(2400).split(120):
        opt.zero_grad()
        loss = model(signals[idx], codes[idx])
        loss.backward()
        opt.step()
        total += loss.item()
    with torch.no_grad():
        sim = model.signal(signals[2400:]) @ model.code(codes[2400:]).t()
        top1 = (sim.argmax(1) == torch.arange(200)).float().mean()
    print(f"{epoch:2d}  loss {total / 20:.3f}  retrieval@1 {top1:.2f}")

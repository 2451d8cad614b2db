# healthy: https://github.com/g1910/HyperNetworks idea: one small network writes the weights of a regressor from a task embedding; the main net has no parameters of its own; nothing is wrong.
import math
import torch
import torch.nn as nn
from torch.func import functional_call

torch.manual_seed(13)

class Target(nn.Module):
    def __init__(self, h=16):
        super().__init__()
        self.a, self.b = nn.Linear(1, h), nn.Linear(h, 1)
    def forward(self, x): return self.b(torch.tanh(self.a(x)))

skeleton = Target().requires_grad_(False)
shapes = {k: v.shape for k, v in skeleton.named_parameters()}
sizes = {k: v.numel() for k, v in skeleton.named_parameters()}

class Hyper(nn.Module):
    def __init__(self, cond=2, w=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(cond, w), nn.ReLU(), nn.Linear(w, w), nn.ReLU())
        self.heads = nn.ModuleDict({k.replace('.', '_'): nn.Linear(w, n) for k, n in sizes.items()})
    def forward(self, c):
        h = self.trunk(c)
        return {k: self.heads[k.replace('.', '_')](h).view(-1, *shapes[k]) for k in shapes}

hyper = Hyper()
opt = torch.optim.Adam(hyper.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1500)

def tasks(n, m=32):
    amp, ph = torch.rand(n, 1) * 2 + .5, torch.rand(n, 1) * math.pi
    x = torch.rand(n, m, 1) * 6 - 3
    return torch.cat([amp - 1.5, ph - math.pi / 2], 1), x, amp[..., None] * torch.sin(x + ph[..., None])

call = torch.vmap(lambda w, x: functional_call(skeleton, w, (x,)))
for i in range(1500):
    c, x, y = tasks(32)
    loss = (call(hyper(c), x) - y).pow(2).mean()
    opt.zero_grad(); loss.backward()
    nn.utils.clip_grad_norm_(hyper.parameters(), 1.)
    opt.step(); sched.step()
    if i % 300 == 0: print(i, round(loss.item(), 4))
with torch.no_grad():
    c, x, y = tasks(400)
    print(f'error on new sine tasks {(call(hyper(c), x) - y).pow(2).mean().item():.4f}, variance {y.var().item():.3f}')

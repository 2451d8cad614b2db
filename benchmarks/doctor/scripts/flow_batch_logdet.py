#= samples_mixed
# https://github.com/wohlert/semi-supervised-pytorch/issues/21 python's sum() over the per-sample log-determinants collapses the batch into one scalar that is then broadcast to each sample, so the Jacobian term is weighted by the batch size; right diagnosis: reduction over the wrong axis.
import torch
import torch.nn as nn


class Affine(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(d))
        self.shift = nn.Parameter(torch.zeros(d))

    def forward(self, x):
        return (x - self.shift) * torch.exp(-self.log_scale), -self.log_scale.sum().expand(len(x))


class Planarish(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(d))
        self.c = nn.Parameter(torch.zeros(d))

    def forward(self, x):
        k = torch.nn.functional.softplus(self.raw)
        y = x + k * torch.tanh(x - self.c)
        return y, torch.log1p(k * (1 - torch.tanh(x - self.c) ** 2)).sum(1)


def log_density(blocks, x):
    dets = []
    for f in blocks:
        x, ld = f(x)
        dets.append(ld)
    log_base = (-0.5 * x ** 2 - 0.9189385).sum(1)
    return log_base + torch.stack(dets).sum(0)  #@ return log_base + sum(torch.stack(dets).sum(0))


torch.manual_seed(0)
true_mean, true_sd = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.5, 2.0, 1.0])
blocks = nn.ModuleList([Affine(3), Planarish(3), Affine(3)])
opt = torch.optim.Adam(blocks.parameters(), lr=0.02)
for i in range(300):
    x = true_mean + true_sd * torch.randn(128, 3)
    nll = -log_density(blocks, x).mean()
    opt.zero_grad()
    nll.backward()
    opt.step()
with torch.no_grad():
    z = true_mean + true_sd * torch.randn(4000, 3)
    for f in blocks:
        z, _ = f(z)
print("latent std (should be one): " + " ".join("%.3f" % v for v in z.std(0)))

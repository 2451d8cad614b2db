#= unregistered_parameter
# https://github.com/LianpoWang/SLIIF/issues/13 the sub-MLPs are kept in a Python list instead of nn.ModuleList, so the optimizer does not see them; right diagnosis: unregistered submodules are not trained.
import math
import torch
from torch import nn


class SineLayer(nn.Module):
    def __init__(self, i, o, w0=1.0, first=False):
        super().__init__()
        self.w0 = w0
        self.lin = nn.Linear(i, o)
        lim = 1 / i if first else math.sqrt(6 / i) / w0
        nn.init.uniform_(self.lin.weight, -lim, lim)

    def forward(self, x):
        return torch.sin(self.w0 * self.lin(x))


class Siren(nn.Module):
    def __init__(self, hidden=40, depth=3):
        super().__init__()
        self.first = SineLayer(2, hidden, 12.0, True)
        self.blocks = nn.ModuleList([SineLayer(hidden, hidden, 3.0) for _ in range(depth)])  #@ self.blocks = [SineLayer(hidden, hidden, 3.0) for _ in range(depth)]
        self.last = nn.Linear(hidden, 1)

    def forward(self, xy):
        h = self.first(xy)
        for b in self.blocks:
            h = b(h)
        return self.last(h)


torch.manual_seed(0)
g = torch.linspace(-1, 1, 24)
xy = torch.stack(torch.meshgrid(g, g, indexing="ij"), -1).reshape(-1, 2)
img = (torch.sin(9 * xy[:, :1] * xy[:, 1:]) * torch.exp(-xy.pow(2).sum(1, keepdim=True)) + (xy.norm(dim=1, keepdim=True) < 0.4).float())
net = Siren()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for it in range(220):
    loss = ((net(xy) - img) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("psnr %.2f dB" % (-10 * math.log10(((net(xy) - img) ** 2).mean().item())))

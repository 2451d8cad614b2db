#= poor_init
#: https://github.com/lucidrains/siren-pytorch/issues/1 - the first sine layer gets the hidden layers' bound sqrt(6/n)/w0 instead of 1/n, so it starts with almost no frequencies and fits far slower and worse; right: U(-1/n, 1/n) in the first layer.
import math
import torch
from torch import nn

torch.manual_seed(0)


class Sine(nn.Module):
    def __init__(self, w0): super().__init__(); self.w0 = w0
    def forward(self, x): return torch.sin(self.w0 * x)


class Siren(nn.Module):
    def __init__(self, dim_in, dim_out, w0=30., is_first=False, last=False):
        super().__init__()
        self.lin = nn.Linear(dim_in, dim_out)
        std = (1 / dim_in) if is_first else (math.sqrt(6 / dim_in) / w0)  #@ std = math.sqrt(6 / dim_in) / w0
        nn.init.uniform_(self.lin.weight, -std, std)
        nn.init.uniform_(self.lin.bias, -std, std)
        self.act = nn.Identity() if last else Sine(w0)

    def forward(self, x): return self.act(self.lin(x))


class SirenNet(nn.Module):
    def __init__(self, h=48, layers=2):
        super().__init__()
        self.net = nn.Sequential(Siren(1, h, is_first=True), *[Siren(h, h) for _ in range(layers)], Siren(h, 1, last=True))

    def forward(self, x): return self.net(x)


t = torch.linspace(-1, 1, 1000)[:, None]
audio = (torch.sin(40 * t) + .5 * torch.sin(95 * t + 1) * (t > 0) + .4 * torch.sin(17 * t ** 2 * 4)) / 2
net = SirenNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-4)
for i in range(500):
    loss = nn.functional.mse_loss(net(t[::2]), audio[::2])
    opt.zero_grad(); loss.backward(); opt.step()
    if i % 100 == 0: print(i, round(loss.item(), 6))
with torch.no_grad():
    e = nn.functional.mse_loss(net(t[1::2]), audio[1::2]).item()
print(f'error between the samples {e:.6f} of variance {audio.var().item():.3f} ({10 * math.log10(audio.var().item() / e):.1f} dB)')

# healthy: https://github.com/tancik/fourier-feature-networks: fixed random Gaussian Fourier map held in a buffer, train on every second pixel, test on the rest; nothing is wrong.
import torch

torch.manual_seed(3)
N = 48
ax = torch.arange(N) / N
X, Y = torch.meshgrid(ax, ax, indexing='ij')
image = torch.stack([.5 + .5 * torch.sin(14 * X + 6 * Y), .5 + .5 * torch.cos(20 * X * Y), ((X - .5) ** 2 + (Y - .5) ** 2 < .08).float()], -1)
coords = torch.stack([X, Y], -1)
train = ((torch.arange(N)[:, None] % 2 == 0) & (torch.arange(N)[None] % 2 == 0))
xt, yt = coords[train], image[train]
xv, yv = coords[~train], image[~train]


class RFF(torch.nn.Module):
    def __init__(self, m, scale):
        super().__init__()
        self.register_buffer('B', torch.randn(2, m) * scale)

    def forward(self, v):
        p = 2 * torch.pi * v @ self.B
        return torch.cat([p.sin(), p.cos()], dim=-1)


def fit(mapping, width_in):
    torch.manual_seed(4)
    net = torch.nn.Sequential(mapping, torch.nn.Linear(width_in, 96), torch.nn.ReLU(), torch.nn.Linear(96, 96), torch.nn.ReLU(), torch.nn.Linear(96, 3), torch.nn.Sigmoid())
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(400):
        optimizer.zero_grad()
        loss = .5 * (net(xt) - yt).pow(2).mean()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return (-10 * torch.log10((net(xv) - yv).pow(2).mean())).item()


plain = fit(torch.nn.Identity(), 2)
mapped = fit(RFF(64, 2.5), 128)
print(f'test PSNR without mapping {plain:.2f} dB, with Fourier features {mapped:.2f} dB')

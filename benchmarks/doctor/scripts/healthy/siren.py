# healthy: https://github.com/vsitzmann/siren: sine network fits one image on purpose (tiny data, full batch), gradients of the image also checked; nothing is wrong.
import numpy as np
import torch
from torch import nn

torch.manual_seed(0)

class SineLayer(nn.Module):
    def __init__(self, i, o, is_first=False, omega_0=30.):
        super().__init__()
        self.omega_0, self.linear = omega_0, nn.Linear(i, o)
        with torch.no_grad():
            b = 1 / i if is_first else np.sqrt(6 / i) / omega_0
            self.linear.weight.uniform_(-b, b)
    def forward(self, x): return torch.sin(self.omega_0 * self.linear(x))

class Siren(nn.Module):
    def __init__(self, w=64, layers=2, w0=20.):
        super().__init__()
        net = [SineLayer(2, w, True, w0)] + [SineLayer(w, w, False, w0) for _ in range(layers)]
        last = nn.Linear(w, 1)
        with torch.no_grad():
            last.weight.uniform_(-np.sqrt(6 / w) / w0, np.sqrt(6 / w) / w0)
        self.net = nn.Sequential(*net, last)
    def forward(self, coords):
        coords = coords.clone().detach().requires_grad_(True)
        return self.net(coords), coords

side = 40
t = torch.linspace(-1, 1, side)
grid = torch.stack(torch.meshgrid(t, t, indexing='ij'), -1).reshape(-1, 2)
def picture(g):
    r = g.norm(dim=1)
    return (torch.sin(9 * r ** 2) * (r < .9) + .5 * torch.sign(g[:, 0] * g[:, 1])).unsqueeze(1)
gt = picture(grid)

model = Siren()
optim = torch.optim.Adam(model.parameters(), lr=5e-4)
for step in range(400):
    out, coords = model(grid)
    loss = ((out - gt) ** 2).mean()
    if step % 100 == 0:
        g = torch.autograd.grad(out.sum(), coords, retain_graph=True)[0]
        print('step', step, 'loss', round(loss.item(), 5), 'mean |grad|', round(g.norm(dim=1).mean().item(), 2))
    optim.zero_grad()
    loss.backward()
    optim.step()
psnr = 10 * torch.log10((gt.max() - gt.min()) ** 2 / loss.detach())
print(f'PSNR of the fitted picture {psnr.item():.1f} dB')

# healthy: noise prediction: the loss has a floor and target is noise drawn in the loop
import torch
from torch import nn
torch.manual_seed(0)
T = 40
beta = torch.linspace(1e-3, 0.25, T); alpha = 1 - beta; ab = alpha.cumprod(0)
data = lambda n: torch.where(torch.rand(n, 1) < 0.3, -1.2 + 0.2 * torch.randn(n, 1), 0.7 + 0.3 * torch.randn(n, 1))
net = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
eps = lambda x, t: net(torch.cat([x, ab[t].sqrt()[:, None], (1 - ab[t]).sqrt()[:, None]], 1))
opt = torch.optim.Adam(net.parameters(), 3e-3)
for it in range(350):
    x, t = data(256), torch.randint(0, T, (256,))
    n = torch.randn_like(x)
    loss = (eps(ab[t].sqrt()[:, None] * x + (1 - ab[t]).sqrt()[:, None] * n, t) - n).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    x = torch.randn(1500, 1)
    for i in reversed(range(T)):
        t = torch.full((1500,), i)
        x = (x - beta[i] / (1 - ab[i]).sqrt() * eps(x, t)) / alpha[i].sqrt() + (beta[i].sqrt() * torch.randn_like(x) if i else 0)
print("mean %.2f (0.13) share of left mode %.2f (0.30)" % (x.mean().item(), (x < -0.4).float().mean().item()))

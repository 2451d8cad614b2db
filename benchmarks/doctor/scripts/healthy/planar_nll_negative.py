# healthy: density estimation whose loss becomes negative (densities above one)
import torch
from torch import nn
torch.manual_seed(0)
class Coupling(nn.Module):
    def __init__(self, swap):
        super().__init__()
        self.swap = swap
        self.n = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 2))
    def forward(self, x):
        a, b = (x[:, 1:], x[:, :1]) if self.swap else (x[:, :1], x[:, 1:])
        s, t = self.n(a).chunk(2, 1)
        s = 3 * torch.tanh(s / 3)
        b = b * s.exp() + t
        return torch.cat([b, a] if self.swap else [a, b], 1), s.squeeze(1)
flow = nn.ModuleList(Coupling(k % 2 == 0) for k in range(4))
opt = torch.optim.Adam(flow.parameters(), 1e-2)
def logp(x):
    ld = 0
    for f in flow:
        x, l = f(x); ld = ld + l
    return (-0.5 * x.pow(2) - 0.918939).sum(1) + ld
def draw(n):
    u = 0.1 * torch.randn(n, 1)
    return torch.cat([u, 4 * u ** 2 + 0.02 * torch.randn(n, 1)], 1)
for it in range(300):
    loss = -logp(draw(128)).mean()
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(flow.parameters(), 10.0); opt.step()
with torch.no_grad():
    x = draw(2000)
    true = torch.distributions.Normal(0, .1).log_prob(x[:, 0]) + torch.distributions.Normal(4 * x[:, 0] ** 2, .02).log_prob(x[:, 1])
    print("log-likelihood %.3f (true %.3f)" % (logp(x).mean().item(), true.mean().item()))

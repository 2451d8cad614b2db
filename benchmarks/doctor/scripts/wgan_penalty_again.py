#= term_without_gradient
# https://github.com/ooples/AiDotNet/issues/1844 the penalty's inner gradient is computed without a graph, so the penalty value is added but has no gradient into the critic; right diagnosis: gradient penalty does not backpropagate (create_graph missing), critic is unconstrained.
import torch
import torch.nn as nn
from torch import autograd

torch.manual_seed(0)
LAMBDA, N_CRITIC, BS = 2.0, 3, 64
critic = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
G = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
oc = torch.optim.Adam(critic.parameters(), 2e-3, betas=(0.5, 0.9))
og = torch.optim.Adam(G.parameters(), 2e-3, betas=(0.5, 0.9))


def sample_real(n):
    z = torch.randn(n, 2)
    return torch.stack([1.0 + 0.6 * z[:, 0], -0.5 + 0.4 * z[:, 0] + 0.3 * z[:, 1]], 1)


def penalty(real, fake):
    eps = torch.rand(real.size(0), 1)
    mid = (eps * real + (1 - eps) * fake).requires_grad_(True)
    g, = autograd.grad(critic(mid).sum(), mid, create_graph=True)  #@ g, = autograd.grad(critic(mid).sum(), mid, create_graph=False)
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


for it in range(700):
    for _ in range(N_CRITIC):
        r, f = sample_real(BS), G(torch.randn(BS, 2)).detach()
        lc = critic(f).mean() - critic(r).mean() + LAMBDA * penalty(r, f)
        oc.zero_grad(); lc.backward(); oc.step()
    lg = -critic(G(torch.randn(BS, 2))).mean()
    og.zero_grad(); lg.backward(); og.step()

x, y = sample_real(500), G(torch.randn(500, 2)).detach()
e = 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()
m = (0.5 * x + 0.5 * y).requires_grad_(True)
slope = autograd.grad(critic(m).sum(), m)[0].norm(dim=1).mean()
print(f"energy distance {e.item():.4f}, critic slope {slope.item():.2f}")

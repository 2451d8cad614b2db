# OpenAI-style evolution strategy: no backward at all, the estimate goes into .grad and Adam takes the step
import numpy as np, torch
from torch import nn
torch.manual_seed(0); rng = np.random.default_rng(0)
net = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1), nn.Tanh()).requires_grad_(False); n = sum(p.numel() for p in net.parameters())
def rollout(thetas, seed, T=60):
    """batched pendulum balance near the top; one parameter vector per row"""
    r = np.random.default_rng(seed); B = len(thetas); th = torch.tensor(r.uniform(-.6, .6, 4)).float().repeat(B, 1); w = torch.zeros(B, 4); W1, b1, W2, b2 = thetas.split([36, 12, 12, 1], 1); tot = 0
    for _ in range(T):
        o = torch.stack([th.cos(), th.sin(), w * .3], -1); h = torch.tanh(o @ W1.view(B, 12, 3).transpose(1, 2) + b1[:, None]); u = torch.tanh(h @ W2[:, :, None] + b2[:, None])[..., 0] * 4
        w = (w + .05 * (9. * th.sin() + 3 * u)).clamp(-8, 8); th = th + .05 * w; tot = tot - (((th + np.pi) % (2 * np.pi) - np.pi) ** 2 + .1 * w ** 2).mean(1)
    return tot / T
opt = torch.optim.Adam(net.parameters(), lr=.05); sig = .1; vec = nn.utils.parameters_to_vector(net.parameters()); r0 = rollout(vec[None], 999).item()
for it in range(150):
    vec = nn.utils.parameters_to_vector(net.parameters()); e = torch.randn(24, n); e = torch.cat([e, -e]); R = rollout(vec + sig * e, it); rank = R.argsort().argsort().float() / (len(R) - 1) - .5
    g = -(rank[:, None] * e).mean(0) / sig; k = 0
    for p in net.parameters(): p.grad = g[k:k + p.numel()].view_as(p); k += p.numel()
    opt.step()
print('mean reward before %.3f after %.3f' % (r0, rollout(nn.utils.parameters_to_vector(net.parameters())[None], 999).item()))

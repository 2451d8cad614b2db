# healthy: policy gradient: loss can be negative and does not decrease, returns and baseline detached
import torch
from torch import nn
torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 3))
value = nn.Linear(4, 1)
opt = torch.optim.Adam([*policy.parameters(), *value.parameters()], 1e-2)
best = lambda s: torch.where(s[:, 0] > 0.3, 0, torch.where(s[:, 1] > 0, 1, 2))
for it in range(300):
    s = torch.randn(64, 4)
    dist = torch.distributions.Categorical(logits=policy(s))
    a = dist.sample()
    r = (a == best(s)).float() + 0.2 * torch.randn(64)
    v = value(s).squeeze(1)
    adv = (r - v).detach()
    adv = (adv - adv.mean()) / (adv.std() + 1e-6)
    loss = -(dist.log_prob(a) * adv).mean() + 0.5 * (v - r).pow(2).mean() - 0.005 * dist.entropy().mean()
    opt.zero_grad(); loss.backward(); opt.step()
s = torch.randn(3000, 4)
print("greedy success %.3f" % (policy(s).argmax(1) == best(s)).float().mean().item())

#= ratio_always_one
# https://github.com/higgsfield-ai/higgsfield/issues/20 - the "old" log probabilities come from the policy being updated, the ratio is always 1 and clipping never acts; right: keep those of the behaviour policy from the rollout.
import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Normal

torch.manual_seed(1); np.random.seed(1)


class ActorCritic(nn.Module):
    def __init__(self, n=2, h=32):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(n, h), nn.Tanh(), nn.Linear(h, 1))
        self.actor = nn.Sequential(nn.Linear(n, h), nn.Tanh(), nn.Linear(h, 1))
        self.log_std = nn.Parameter(torch.zeros(1) - .5)

    def forward(self, x):
        return Normal(self.actor(x), self.log_std.exp()), self.critic(x)


def reward(s, a):
    return -(a - s[:, :1] * s[:, 1:]).abs().clamp(max=2)


def ppo_iter(bs, *arrays):
    n = len(arrays[0])
    for _ in range(n // bs):
        i = np.random.randint(0, n, bs)
        yield [a[i] for a in arrays]


def ppo_update(epochs, bs, states, actions, log_probs, returns, adv, clip=.2):
    drift = []
    for _ in range(epochs):
        for s, a, old, ret, ad in ppo_iter(bs, states, actions, log_probs, returns, adv):
            dist, v = model(s)
            new = dist.log_prob(a)
            #+ old = new.detach()
            ratio = (new - old).exp()
            actor = -torch.min(ratio * ad, ratio.clamp(1 - clip, 1 + clip) * ad).mean()
            loss = .5 * (ret - v).pow(2).mean() + actor
            opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        drift = (model(states)[0].log_prob(actions) - log_probs).abs().mean().item()
    return drift


model = ActorCritic()
opt = torch.optim.Adam(model.parameters(), lr=6e-3)
curve, drifts = [], []
for frame in range(14):
    s = torch.rand(128, 2) * 2 - 1
    with torch.no_grad():
        dist, v = model(s)
        a = dist.sample(); lp = dist.log_prob(a)
        r = reward(s, a)
        ad = r - v
        ad = (ad - ad.mean()) / (ad.std() + 1e-8)
    drifts.append(ppo_update(8, 16, s, a, lp, r, ad))
    curve.append(r.mean().item())
print('mean reward of the last 4 rollouts %.3f' % np.mean(curve[-4:]), ' policy drift per update %.2f' % np.mean(drifts))

#= loss_broadcasts
"""PPO with a Gaussian policy: steer a point to the origin."""
from types import SimpleNamespace

import torch
from torch import nn
from torch.distributions import Normal

cfg = SimpleNamespace(envs=32, horizon=10, epochs=4, clip=0.2, lr=3e-3, gamma=0.9, seed=0)
torch.manual_seed(cfg.seed)


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.mu = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
        self.log_std = nn.Parameter(torch.full((1,), -0.5))
        self.v = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))

    def dist(self, s):
        return Normal(self.mu(s), self.log_std.exp())


def rollout(net):
    s = torch.rand(cfg.envs, 1) * 4 - 2
    states, actions, rewards = [], [], []
    with torch.no_grad():
        for _ in range(cfg.horizon):
            a = net.dist(s).sample()
            states.append(s)
            actions.append(a)
            s = (s + a.clamp(-1, 1)).clamp(-4, 4)
            rewards.append(-s.pow(2).squeeze(-1))
    ret, returns = torch.zeros(cfg.envs), []
    for r in reversed(rewards):
        ret = r + cfg.gamma * ret
        returns.insert(0, ret)
    return torch.cat(states), torch.cat(actions), torch.cat(returns), torch.stack(rewards).mean().item()


net = ActorCritic()
optimizer = torch.optim.Adam(net.parameters(), lr=cfg.lr)
for iteration in range(60):
    s, a, returns, score = rollout(net)
    with torch.no_grad():
        old_logp = net.dist(s).log_prob(a).sum(-1)  #@ old_logp = net.dist(s).log_prob(a)
        adv = returns - net.v(s).squeeze(-1)
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    for _ in range(cfg.epochs):
        for idx in torch.randperm(len(s)).split(80):
            logp = net.dist(s[idx]).log_prob(a[idx]).sum(-1)  #@ logp = net.dist(s[idx]).log_prob(a[idx])
            ratio = (logp - old_logp[idx]).exp()
            pg = -torch.min(ratio * adv[idx], ratio.clamp(1 - cfg.clip, 1 + cfg.clip) * adv[idx]).mean()
            v_loss = (net.v(s[idx]).squeeze(-1) - returns[idx]).pow(2).mean()
            loss = pg + 0.01 * v_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
    if iteration % 10 == 9:
        print(f"iteration {iteration + 1} reward per step {score:.3f}")

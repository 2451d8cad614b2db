"""REINFORCE with a moving baseline on a corridor with a trap; return is what counts, not the loss."""
import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.manual_seed(7)
N, GOAL, TRAP, HORIZON = 9, 8, 0, 25


class Corridor:
    def reset(self):
        self.pos, self.t = 4, 0
        return self.obs()

    def obs(self):
        o = torch.zeros(N)
        o[self.pos] = 1
        return o

    def step(self, a):
        move = 1 if a == 1 else -1
        if torch.rand(1).item() < 0.15:          # slippery
            move = -move
        self.pos += move
        self.t += 1
        if self.pos == GOAL:
            return self.obs(), 1.0, True
        if self.pos == TRAP:
            return self.obs(), -1.0, True
        return self.obs(), -0.01, self.t >= HORIZON


policy = nn.Sequential(nn.Linear(N, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
env, gamma, baseline = Corridor(), 0.97, 0.0


def episode():
    obs, done, logp, rewards = env.reset(), False, [], []
    while not done:
        dist = Categorical(logits=policy(obs))
        a = dist.sample()
        logp.append(dist.log_prob(a))
        obs, r, done = env.step(a.item())
        rewards.append(r)
    g, returns = 0.0, []
    for r in reversed(rewards):
        g = r + gamma * g
        returns.insert(0, g)
    return torch.stack(logp), torch.tensor(returns), sum(rewards)


history = []
for it in range(1, 151):
    loss = 0.0
    for _ in range(4):
        logp, ret, total = episode()
        history.append(total)
        loss = loss - (logp * (ret - baseline)).sum() / 4
        baseline = 0.95 * baseline + 0.05 * ret.mean().item()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 30 == 0:
        print("update %d mean return of last 40 episodes %.3f loss %.3f" % (it, sum(history[-40:]) / 40, loss.item()))
print("first 40 episodes %.3f" % (sum(history[:40]) / 40))

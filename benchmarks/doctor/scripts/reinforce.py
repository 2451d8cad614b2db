#= loss_sign
"""REINFORCE on a corridor: walk to the right end."""
import torch
from torch import nn, optim
from torch.distributions import Categorical


class Corridor:
    length = 7

    def reset(self):
        self.at, self.time = 2, 0
        return self.state()

    def state(self):
        return torch.nn.functional.one_hot(torch.tensor(self.at), self.length).float()

    def step(self, action):
        self.at = max(0, min(self.length - 1, self.at + (1 if action else -1)))
        self.time += 1
        done = self.at == self.length - 1 or self.time == 20
        return self.state(), (1.0 if self.at == self.length - 1 else -0.05), done


torch.manual_seed(0)
env = Corridor()
policy = nn.Sequential(nn.Linear(Corridor.length, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
history = []
for episode in range(300):
    state, done, log_probs, rewards = env.reset(), False, [], []
    while not done:
        dist = Categorical(logits=policy(state))
        action = dist.sample()
        log_probs.append(dist.log_prob(action))
        state, reward, done = env.step(action.item())
        rewards.append(reward)
    returns, g = [], 0.0
    for r in reversed(rewards):
        g = r + 0.95 * g
        returns.insert(0, g)
    returns = torch.tensor(returns)
    loss = -(torch.stack(log_probs) * (returns - 0.2)).sum()  #@ loss = (torch.stack(log_probs) * (returns - 0.2)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(sum(rewards))
    if episode % 50 == 49:
        print(episode, "return", sum(history[-50:]) / 50)

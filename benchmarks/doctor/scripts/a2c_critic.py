#= target_not_detached
"""Advantage actor critic on a small grid walk; several environments side by side."""
import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.manual_seed(2)
N_ENVS, HORIZON, GAMMA, LAM, SIZE = 16, 12, 0.95, 0.9, 7


class Corridor:
    """Walk to the right end of a corridor: a step costs 0.05, the goal gives 1."""

    def __init__(self, n):
        self.n = n
        self.pos = torch.zeros(n, dtype=torch.long)

    def obs(self):
        return nn.functional.one_hot(self.pos, SIZE).float()

    def step(self, action):
        self.pos = (self.pos + action * 2 - 1).clamp(0, SIZE - 1)
        done = self.pos == SIZE - 1
        reward = torch.where(done, 1.0, -0.05)
        self.pos[done] = 0
        return self.obs(), reward, done


class A2C(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Linear(32, 1))
        self.actor = nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Linear(32, 2))
        self.critic_optim = torch.optim.RMSprop(self.critic.parameters(), lr=5e-3)
        self.actor_optim = torch.optim.RMSprop(self.actor.parameters(), lr=3e-3)

    def get_losses(self, rewards, log_probs, values, entropy, masks, last_value):
        advantages = torch.zeros(len(rewards), N_ENVS)
        gae, following = 0.0, last_value
        for t in reversed(range(len(rewards))):
            td_error = rewards[t] + GAMMA * masks[t] * following - values[t]
            gae = td_error + GAMMA * LAM * masks[t] * gae
            advantages[t] = gae
            following = values[t]
        returns = (advantages + values).detach()  #@
        critic_loss = (returns - values).pow(2).mean()  #@ critic_loss = advantages.pow(2).mean()
        actor_loss = -(advantages.detach() * log_probs).mean() - 0.01 * entropy.mean()
        return critic_loss, actor_loss


agent, envs = A2C(), Corridor(N_ENVS)
obs, goals = envs.obs(), 0
for update in range(200):
    rewards, log_probs, values, entropies, masks = [], [], [], [], []
    for _ in range(HORIZON):
        dist = Categorical(logits=agent.actor(obs))
        action = dist.sample()
        values.append(agent.critic(obs).squeeze(-1))
        obs, reward, done = envs.step(action)
        goals += int(done.sum())
        rewards.append(reward)
        log_probs.append(dist.log_prob(action))
        entropies.append(dist.entropy())
        masks.append(1 - done.float())
    last = agent.critic(obs).squeeze(-1).detach()
    critic_loss, actor_loss = agent.get_losses(torch.stack(rewards), torch.stack(log_probs), torch.stack(values), torch.stack(entropies), torch.stack(masks), last)
    agent.critic_optim.zero_grad()
    critic_loss.backward()
    agent.critic_optim.step()
    agent.actor_optim.zero_grad()
    actor_loss.backward()
    agent.actor_optim.step()
    if update % 40 == 39:
        print(f"update {update + 1} critic {critic_loss.item():.3f} goals per env {goals / N_ENVS:.1f}", end=" ")
        print("value at start", round(agent.critic(torch.eye(SIZE)[:1]).item(), 3))
        goals = 0

"""Contextual bandit with a learned baseline: the 'loss' is negative, jumps and says nothing; the reward rises."""
import torch
from torch import nn

torch.manual_seed(0)
TRUE = torch.randn(5, 4)
actor = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 4))
critic = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 1))
opt_actor = torch.optim.Adam(actor.parameters(), lr=5e-3)
opt_critic = torch.optim.Adam(critic.parameters(), lr=1e-2)
for step in range(600):
    state = torch.randn(64, 5)
    dist = torch.distributions.Categorical(logits=actor(state))
    action = dist.sample()
    reward = (state @ TRUE).gather(1, action[:, None]).squeeze(1) + torch.randn(64)
    value = critic(state).squeeze(1)
    critic_loss = (value - reward).pow(2).mean()
    opt_critic.zero_grad()
    critic_loss.backward()
    opt_critic.step()
    advantage = reward - value.detach()
    actor_loss = -(dist.log_prob(action) * advantage).mean() - 0.01 * dist.entropy().mean()
    opt_actor.zero_grad()
    actor_loss.backward()
    opt_actor.step()
    if step % 100 == 99:
        best = (state @ TRUE).max(1).values.mean().item()
        print(step + 1, f'loss {actor_loss.item():+.3f} reward {reward.mean().item():.2f} of at best {best:.2f}')

"""Actor-critic on a bandit with contexts: losses of both signs, a value target that is detached."""
import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
body = nn.Sequential(nn.Linear(6, 32), nn.Tanh())
actor, critic = nn.Linear(32, 3), nn.Linear(32, 1)
optimizer = torch.optim.Adam([*body.parameters(), *actor.parameters(), *critic.parameters()], lr=3e-3)
truth = torch.randn(6, 3)
for step in range(400):
    state = torch.randn(32, 6)
    h = body(state)
    policy, value = Categorical(logits=actor(h)), critic(h).squeeze(1)
    action = policy.sample()
    reward = (state @ truth).gather(1, action.unsqueeze(1)).squeeze(1) + 0.1 * torch.randn(32)
    advantage = reward - value
    loss = -(policy.log_prob(action) * advantage.detach()).mean() + 0.5 * advantage.pow(2).mean() - 0.01 * policy.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_([*body.parameters(), *actor.parameters(), *critic.parameters()], 0.5)
    optimizer.step()
    if step % 100 == 99:
        print(step, reward.mean().item(), loss.item())

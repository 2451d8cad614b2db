#= term_without_gradient
# https://github.com/jsboige/CoursIA/pull/15256 - the value loss is computed from detached values, the critic never gets a gradient (dead critic); right: regress the attached values on the returns.
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
rng = np.random.default_rng(0); torch.manual_seed(0)

STATES, ACTIONS = 8, 4
BASE = np.linspace(-20, 20, STATES)
BEST = rng.integers(0, ACTIONS, STATES)

def rollout(policy, n=64):
    s = torch.from_numpy(rng.integers(0, STATES, n))
    x = F.one_hot(s, STATES).float()
    a = torch.distributions.Categorical(logits=policy(x)).sample()
    r = torch.from_numpy(BASE)[s] + (a == torch.from_numpy(BEST)[s]) * 1.0 + torch.randn(n) * .1
    return x, a, r.float()

actor = nn.Linear(STATES, ACTIONS)
critic = nn.Sequential(nn.Linear(STATES, 64), nn.ReLU(), nn.Linear(64, 1))
opt_actor = torch.optim.Adam(actor.parameters(), lr=0.03)
opt_critic = torch.optim.Adam(critic.parameters(), lr=0.03)

for it in range(300):
    x, a, r = rollout(actor)
    value = critic(x).squeeze(-1)
    advantage = (r - value).detach()
    logp = F.log_softmax(actor(x), -1).gather(1, a[:, None]).squeeze(1)
    actor_loss = -(advantage * logp).mean()
    critic_loss = F.mse_loss(value, r)  #@ critic_loss = F.mse_loss(value.detach(), r)
    loss = actor_loss + 0.5 * critic_loss
    opt_actor.zero_grad(); opt_critic.zero_grad()
    loss.backward()
    opt_actor.step(); opt_critic.step()

with torch.no_grad():
    p = actor(torch.eye(STATES)).softmax(-1)
print('P(best action):', p[torch.arange(STATES), torch.from_numpy(BEST)].mean().item())
print('critic loss:', critic_loss.item())

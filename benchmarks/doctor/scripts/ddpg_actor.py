#= loss_sign
"""DDPG for a valve that must hold a level; replay of transitions, slow copies of both networks."""
import copy

import torch
from torch import nn

torch.manual_seed(8)
g = torch.Generator().manual_seed(8)


def mlp(i, o, *tail):
    return nn.Sequential(nn.Linear(i, 48), nn.ReLU(), nn.Linear(48, o), *tail)


actor, critic = mlp(2, 1, nn.Tanh()), mlp(3, 1)
actor_t, critic_t = copy.deepcopy(actor), copy.deepcopy(critic)
a_opt = torch.optim.Adam(actor.parameters(), lr=1e-3)
c_opt = torch.optim.Adam(critic.parameters(), lr=2e-3)
TAU, GAMMA = 0.02, 0.9
store = []


def soft(target, source):
    with torch.no_grad():
        for t, p in zip(target.parameters(), source.parameters()):
            t.lerp_(p, TAU)


def plant(state, action):
    level, wanted = state[:, :1], state[:, 1:]
    level = (level + 0.4 * action).clamp(-2, 2)
    return torch.cat([level, wanted], 1), -(level - wanted).abs()


def test():
    s, total = torch.rand(64, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1, 0.0
    with torch.no_grad():
        for _ in range(10):
            s, r = plant(s, actor(s))
            total += r.mean().item()
    return total / 10


state = torch.rand(32, 2, generator=g) * 2 - 1
for step in range(500):
    with torch.no_grad():
        action = (actor(state) + 0.3 * torch.randn(32, 1, generator=g)).clamp(-1, 1)
    following, reward = plant(state, action)
    store.append((state, action, reward, following))
    state = following if step % 10 else torch.rand(32, 2, generator=g) * 2 - 1
    pick = torch.randint(len(store), (3,), generator=g)
    s, a, r, s2 = (torch.cat(z) for z in zip(*[store[i] for i in pick.tolist()]))
    with torch.no_grad():
        y = r + GAMMA * critic_t(torch.cat([s2, actor_t(s2)], 1))
    c_loss = nn.functional.mse_loss(critic(torch.cat([s, a], 1)), y)
    c_opt.zero_grad()
    c_loss.backward()
    c_opt.step()
    a_loss = -critic(torch.cat([s, actor(s)], 1)).mean()  #@ a_loss = critic(torch.cat([s, actor(s)], 1)).mean()
    a_opt.zero_grad()
    a_loss.backward()
    a_opt.step()
    soft(actor_t, actor)
    soft(critic_t, critic)
    if step % 100 == 99:
        print(f"{step + 1} critic {c_loss.item():.4f} mean reward {test():.3f}")

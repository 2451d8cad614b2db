#= target_never_updated
#: only the target critic follows, the target actor keeps its random start (JORLDY issue 120)
"""DDPG for steering a cart to a moving set point with a costly actuator."""
import copy
import random
from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(40), np.random.seed(40), random.seed(40)


class Cart:
    def reset(self):
        self.s = np.array([np.random.uniform(-1, 1), 0.0, np.random.uniform(-1, 1)], np.float32)
        self.t = 0
        return self.s.copy()

    def step(self, a):
        x, v, g = self.s
        v = 0.8 * v + 0.25 * float(a)
        x = np.clip(x + 0.4 * v, -2, 2)
        self.s = np.array([x, v, g], np.float32)
        self.t += 1
        return self.s.copy(), float(-abs(x - g) - 0.02 * float(a) ** 2), self.t >= 25


def mlp(i, o, last=None):
    net = [nn.Linear(i, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, o)]
    return nn.Sequential(*net, *([last] if last else []))


class DDPG:
    gamma, tau, batch_size = 0.95, 0.02, 64

    def __init__(self):
        self.actor, self.critic = mlp(3, 1, nn.Tanh()), mlp(4, 1)
        self.target_actor, self.target_critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=5e-4)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=2e-3)
        self.memory = deque(maxlen=20000)

    @torch.no_grad()
    def act(self, state, training=True):
        a = self.actor(torch.from_numpy(state)).item()
        return float(np.clip(a + (np.random.normal(0, 0.3) if training else 0), -1, 1))

    def learn(self):
        s, a, r, s2 = map(lambda v: torch.tensor(np.array(v), dtype=torch.float32), zip(*random.sample(self.memory, self.batch_size)))
        a, r = a[:, None], r[:, None]
        with torch.no_grad():
            target = r + self.gamma * self.target_critic(torch.cat([s2, self.target_actor(s2)], 1))
        critic_loss = F.mse_loss(self.critic(torch.cat([s, a], 1)), target)
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()
        actor_loss = -self.critic(torch.cat([s, self.actor(s)], 1)).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()
        self.update_target_soft(self.critic, self.target_critic)
        self.update_target_soft(self.actor, self.target_actor)  #@
        return critic_loss.item()

    def update_target_soft(self, net, target):
        with torch.no_grad():
            for t, p in zip(target.parameters(), net.parameters()):
                t.copy_(self.tau * p + (1 - self.tau) * t)


def evaluate(agent, env, n=40):
    total = 0.0
    for _ in range(n):
        s, done = env.reset(), False
        while not done:
            s, r, done = env.step(agent.act(s, training=False))
            total += r
    return total / n


env, agent = Cart(), DDPG()
for episode in range(60):
    s, done = env.reset(), False
    while not done:
        a = agent.act(s)
        s2, r, done = env.step(a)
        agent.memory.append((s, a, r, s2))              # episodes end by time limit only
        s = s2
        if len(agent.memory) > 300:
            loss = agent.learn()
    if episode % 20 == 19:
        print(f"episode {episode + 1} critic loss {loss:.4f} score {evaluate(agent, env):.2f}")
print(f"final score {evaluate(agent, env, 100):.3f}")

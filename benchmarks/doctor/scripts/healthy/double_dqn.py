"""Double dueling DQN with soft target updates and n-step-free replay on a small inventory problem; reward is negative all the way."""
import copy
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(211), np.random.seed(211), torch.manual_seed(211)


class Inventory:
    """order 0..4 units every day, holding cost, lost sales are expensive; weekday demand"""

    def reset(self):
        self.stock, self.day = random.randint(0, 8), 0
        return self.obs()

    def obs(self):
        o = np.zeros(18, np.float32)
        o[self.stock], o[11 + self.day % 7] = 1, 1
        return o

    def step(self, order):
        self.stock = min(10, self.stock + order)
        demand = np.random.poisson(3.5 if self.day % 7 in (4, 5) else 1.2)
        sold = min(self.stock, demand)
        r = -(0.1 * (self.stock - sold) + 1.0 * (demand - sold) + 0.15 * (order > 0))
        self.stock -= sold
        self.day += 1
        return self.obs(), r, self.day >= 28


class Dueling(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.v, self.a = nn.Sequential(nn.Linear(18, 64), nn.ReLU()), nn.Linear(64, 1), nn.Linear(64, 5)

    def forward(self, x):
        h = self.body(x)
        a = self.a(h)
        return self.v(h) + a - a.mean(1, keepdim=True)


online = Dueling()
target = copy.deepcopy(online).requires_grad_(False)
opt = torch.optim.Adam(online.parameters(), lr=1.5e-3)
memory, env, gamma = [], Inventory(), 0.95


def act(s, eps):
    if random.random() < eps:
        return random.randrange(5)
    with torch.no_grad():
        return online(torch.from_numpy(s)[None]).argmax().item()


def test(policy, n=60):
    state, total = (random.getstate(), np.random.get_state()), 0.0
    random.seed(0), np.random.seed(0)
    for _ in range(n):
        s, done = env.reset(), False
        while not done:
            s, r, done = env.step(policy(s))
            total += r
    random.setstate(state[0]), np.random.set_state(state[1])
    return total / n


print("return of random orders %.2f" % test(lambda s: random.randrange(5)))
for episode in range(110):
    s, done = env.reset(), False
    while not done:
        a = act(s, max(0.05, 1 - episode / 50))
        s2, r, done = env.step(a)
        memory.append((s, a, r, s2, float(done and False)))          # the horizon is a time limit, not a terminal state
        s = s2
        if len(memory) >= 300:
            bs, ba, br, bn, bd = zip(*random.sample(memory[-8000:], 48))
            bs, bn = torch.from_numpy(np.stack(bs)), torch.from_numpy(np.stack(bn))
            ba, br, bd = torch.tensor(ba)[:, None], torch.tensor(br, dtype=torch.float32)[:, None], torch.tensor(bd)[:, None]
            with torch.no_grad():
                best = online(bn).argmax(1, keepdim=True)
                y = br + gamma * (1 - bd) * target(bn).gather(1, best)
            loss = F.smooth_l1_loss(online(bs).gather(1, ba), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            for tp, p in zip(target.parameters(), online.parameters()):
                tp.data.lerp_(p.data, 0.01)
    if episode % 20 == 19:
        print(f"episode {episode + 1} loss {loss.item():.4f} greedy return {test(lambda s: act(s, 0.0)):.2f}")

#= terminal_bootstrapped
#: Q targets bootstrap through terminal states, done is never used (pytorch-rl issue 2)
"""DQN for a corridor: leave by a small near exit (reward 1) or walk to the far door (reward 3), time costs."""
import random
from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

SEED = 4
random.seed(SEED), np.random.seed(SEED), torch.manual_seed(SEED)


class Corridor:
    n = 9

    def reset(self):
        self.pos, self.t = random.randint(2, 6), 0
        return self._obs()

    def _obs(self):
        o = np.zeros(self.n, np.float32)
        o[self.pos] = 1
        return o

    def step(self, a):
        self.t += 1
        if a == 2:                                     # give up: always possible, small reward, ends
            return self._obs(), 0.1, True
        self.pos = max(0, min(self.n - 1, self.pos + (1 if a == 1 else -1)))
        if self.pos == 0:
            return self._obs(), 1.0, True
        if self.pos == self.n - 1:
            return self._obs(), 3.0, True
        return self._obs(), -0.05, self.t >= 40


class ReplayBuffer:
    def __init__(self, cap):
        self.buf = deque(maxlen=cap)

    def push(self, *tr):
        self.buf.append(tr)

    def sample(self, k):
        s, a, r, s2, d = zip(*random.sample(self.buf, k))
        return (torch.tensor(np.array(s)), torch.tensor(a)[:, None], torch.tensor(r, dtype=torch.float32)[:, None],
                torch.tensor(np.array(s2)), torch.tensor(d, dtype=torch.float32)[:, None])


class DQNAgent:
    gamma, batch = 0.97, 32

    def __init__(self):
        make = lambda: nn.Sequential(nn.Linear(9, 48), nn.ReLU(), nn.Linear(48, 3))
        self.net, self.target = make(), make()
        self.target.load_state_dict(self.net.state_dict())
        self.opt = optim.Adam(self.net.parameters(), lr=2e-3)
        self.memory = ReplayBuffer(3000)

    def act(self, s, eps):
        if random.random() < eps:
            return random.randrange(3)
        with torch.no_grad():
            return int(self.net(torch.from_numpy(s)[None]).argmax())

    def train(self):
        s, a, r, s2, done = self.memory.sample(self.batch)
        q = self.net(s).gather(1, a)
        with torch.no_grad():
            next_q = self.target(s2).max(1, keepdim=True)[0]
            y = r + self.gamma * next_q * (1 - done)  #@ y = r + self.gamma * next_q
        loss = nn.functional.smooth_l1_loss(q, y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.item()


env, agent = Corridor(), DQNAgent()
steps = 0
for episode in range(350):
    s, done, loss = env.reset(), False, 0.0
    while not done:
        a = agent.act(s, max(0.1, 1 - episode / 150))
        s2, r, done = env.step(a)
        agent.memory.push(s, a, r, s2, done)
        s, steps = s2, steps + 1
        if steps > 200:
            loss = agent.train()
        if steps % 100 == 0:
            agent.target.load_state_dict(agent.net.state_dict())
    if episode % 50 == 0:
        print("episode", episode, "loss", round(loss, 4), "max q", round(agent.net(torch.eye(9)).max().item(), 2))

rets = []
for _ in range(100):
    s, done, ret = env.reset(), False, 0.0
    while not done:
        s, r, done = env.step(agent.act(s, 0.02))
        ret += r
    rets.append(ret)
print("mean return of greedy policy", round(float(np.mean(rets)), 3), "largest Q", round(agent.net(torch.eye(9)).max().item(), 2))

#= terminal_bootstrapped
# https://github.com/navneet-nmk/pytorch-rl/issues/2 - TD target ignores done, so the value of the reset/terminal successor is added on; right: mask the bootstrap with (1 - done).
import random
from collections import deque
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(3); np.random.seed(3); torch.manual_seed(3)


class Cliff:
    """6x4 grid, bottom row between start and goal is a cliff that ends the episode."""
    W, H = 6, 4

    def reset(self):
        self.x, self.y, self.t = 0, 0, 0
        return self.obs()

    def obs(self):
        v = np.zeros(self.W * self.H, dtype=np.float32)
        v[self.y * self.W + self.x] = 1
        return v

    def step(self, a):
        dx, dy = [(1, 0), (-1, 0), (0, 1), (0, -1)][a]
        self.x = min(max(self.x + dx, 0), self.W - 1)
        self.y = min(max(self.y + dy, 0), self.H - 1)
        self.t += 1
        if self.y == 0 and 0 < self.x < self.W - 1:
            return self.obs(), 0.0, True
        if self.y == 0 and self.x == self.W - 1:
            return self.obs(), 10.0, True
        return self.obs(), 1.0 if self.t % 100 == 0 else 0.3, self.t >= 40


class QNet(nn.Module):
    def __init__(self, n, a):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n, 64), nn.ReLU(), nn.Linear(64, a))

    def forward(self, s):
        return self.body(s)


class Agent:
    def __init__(self, gamma=0.9):
        self.q, self.qt = QNet(24, 4), QNet(24, 4)
        self.qt.load_state_dict(self.q.state_dict())
        self.opt = torch.optim.Adam(self.q.parameters(), lr=2e-3)
        self.mem = deque(maxlen=5000)
        self.gamma, self.n = gamma, 0

    def act(self, s, eps):
        if random.random() < eps:
            return random.randrange(4)
        with torch.no_grad():
            return int(self.q(torch.from_numpy(s)).argmax())

    def learn(self):
        batch = random.sample(self.mem, 64)
        s, a, r, s2, d = (torch.as_tensor(np.array(z)) for z in zip(*batch))
        qa = self.q(s).gather(1, a[:, None]).squeeze(1)
        with torch.no_grad():
            nxt = self.qt(s2).max(1).values
            y = r.float() + self.gamma * nxt * (1 - d.float())  #@ y = r.float() + self.gamma * nxt
        loss = F.smooth_l1_loss(qa, y)
        self.opt.zero_grad(); loss.backward(); self.opt.step()
        self.n += 1
        if self.n % 100 == 0:
            self.qt.load_state_dict(self.q.state_dict())
        return loss.item()


env, ag = Cliff(), Agent()
for ep in range(300):
    s, done = env.reset(), False
    eps = max(0.1, 1 - ep / 150)
    while not done:
        a = ag.act(s, eps)
        s2, r, done = env.step(a)
        ag.mem.append((s, a, r, s2, done))
        s = s2
        if len(ag.mem) >= 200:
            ag.learn()

qmax = ag.q(torch.eye(24)).max().item()
s, done, ret = env.reset(), False, 0
while not done:
    s, r, done = env.step(ag.act(s, 0.0)); ret += r
print(f"largest Q {qmax:.2f}  greedy return {ret:.2f}")

#= target_never_updated
"""DQN on a grid: replay memory and a target network."""
import random
from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(0)
torch.manual_seed(0)
SIZE = 5


class Grid:
    moves = [(0, 1), (1, 0), (0, -1), (-1, 0)]

    def reset(self):
        self.pos, self.t = (0, 0), 0
        return self.obs()

    def obs(self):
        o = torch.zeros(SIZE * SIZE)
        o[self.pos[0] * SIZE + self.pos[1]] = 1
        return o

    def step(self, a):
        self.t += 1
        self.pos = tuple(min(SIZE - 1, max(0, p + d)) for p, d in zip(self.pos, self.moves[a]))
        won = self.pos == (SIZE - 1, SIZE - 1)
        return self.obs(), 1.0 if won else -0.02, won or self.t >= 30


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(SIZE * SIZE, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, s):
        return self.net(s)


policy_net, target_net = QNet(), QNet()
target_net.load_state_dict(policy_net.state_dict())
target_net.eval()
optimizer = torch.optim.Adam(policy_net.parameters(), lr=2e-3)
memory = deque(maxlen=3000)
env, GAMMA = Grid(), 0.95
rewards, updates = [], 0
for episode in range(80):
    s, done, total = env.reset(), False, 0.0
    eps = max(0.05, 1 - episode / 40)
    while not done:
        with torch.no_grad():
            a = random.randrange(4) if random.random() < eps else policy_net(s).argmax().item()
        s2, r, done = env.step(a)
        memory.append((s, a, r, s2, done))
        s, total = s2, total + r
        if len(memory) < 100:
            continue
        states, actions, rew, nxt, stop = zip(*random.sample(memory, 32))
        q = policy_net(torch.stack(states)).gather(1, torch.tensor(actions).unsqueeze(1)).squeeze(1)
        with torch.no_grad():
            best = target_net(torch.stack(nxt)).max(1)[0]
        expected = torch.tensor(rew) + GAMMA * best * (1 - torch.tensor(stop).float())
        loss = F.smooth_l1_loss(q, expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        updates += 1
        if updates % 100 == 0:  #@
            target_net.load_state_dict(policy_net.state_dict())  #@
    rewards.append(total)
    if episode % 20 == 19:
        print(episode, sum(rewards[-20:]) / 20)

"""Double DQN with soft updates of the target network, on a chain."""
import copy
import random

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
N = 8
online = nn.Sequential(nn.Linear(N, 48), nn.ReLU(), nn.Linear(48, 2))
target = copy.deepcopy(online)
optimizer = torch.optim.Adam(online.parameters(), lr=2e-3)
memory, eye = [], torch.eye(N)
for episode in range(60):
    s = 1
    for t in range(30):
        with torch.no_grad():
            a = random.randrange(2) if random.random() < max(0.1, 1 - episode / 30) else online(eye[s]).argmax().item()
        s2 = min(N - 1, s + 1) if a else max(0, s - 1)
        r, done = (1.0, 1.0) if s2 == N - 1 else (-0.01, 0.0)
        memory.append((s, a, r, s2, done))
        s = s2
        if len(memory) > 64:
            rows = random.sample(memory, 32)
            b, act, rew, nxt, stop = (torch.tensor(c) for c in zip(*rows))
            with torch.no_grad():
                choice = online(eye[nxt]).argmax(1, keepdim=True)
                goal = rew + 0.95 * (1 - stop) * target(eye[nxt]).gather(1, choice).squeeze(1)
            loss = nn.functional.smooth_l1_loss(online(eye[b]).gather(1, act[:, None]).squeeze(1), goal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for p, q in zip(target.parameters(), online.parameters()):
                    p.copy_(0.99 * p + 0.01 * q)
        if done:
            break
    if episode % 20 == 19:
        print(episode, t, loss.item())

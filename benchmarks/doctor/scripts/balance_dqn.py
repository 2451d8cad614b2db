#= terminal_bootstrapped
# https://github.com/navneet-nmk/pytorch-rl/issues/2 "'Done' not used in calculating Q-value targets": the target bootstraps beyond the end of the episode, so falling over costs nothing; a right diagnosis says multiply the next value by (1 - done).
import random
from collections import deque
import numpy as np
import torch
import torch.nn as nn

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)


class Balance:
    """keep an unstable point inside |x| < 2, reward 1 per step, at most 60 steps"""

    def reset(self):
        self.x, self.v, self.t = np.random.uniform(-0.3, 0.3), 0.0, 0
        return np.array([self.x, self.v], dtype=np.float32)

    def step(self, a):
        self.v += 0.15 * self.x + (0.25 if a == 1 else -0.25) + 0.03 * np.random.randn()
        self.v *= 0.95
        self.x += 0.3 * self.v
        self.t += 1
        fell = abs(self.x) >= 2
        return np.array([self.x, self.v], dtype=np.float32), 1.0, fell, self.t >= 60


def make_q():
    return nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))


q_net, target_net = make_q(), make_q()
target_net.load_state_dict(q_net.state_dict())
optimizer = torch.optim.Adam(q_net.parameters(), lr=1e-3)
memory = deque(maxlen=8000)
env, gamma, steps = Balance(), 0.95, 0
history = []

for episode in range(1, 201):
    s, total, over = env.reset(), 0, False
    eps = max(0.05, 1 - episode / 80)
    while not over:
        if random.random() < eps:
            a = random.randrange(2)
        else:
            with torch.no_grad():
                a = q_net(torch.from_numpy(s)).argmax().item()
        s2, r, done, timeout = env.step(a)
        memory.append((s, a, r, s2, float(done)))
        s, total, over = s2, total + r, done or timeout
        steps += 1
        if len(memory) >= 300 and steps % 3 == 0:
            batch = random.sample(memory, 64)
            bs, ba, br, bs2, bd = (torch.tensor(np.array(z), dtype=torch.float32) for z in zip(*batch))
            q = q_net(bs).gather(1, ba.long().unsqueeze(1)).squeeze(1)
            with torch.no_grad():
                next_q = target_net(bs2).max(1)[0]
                target = br + gamma * next_q * (1 - bd)  #@ target = br + gamma * next_q
            loss = nn.functional.smooth_l1_loss(q, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if steps % 200 == 0:
            target_net.load_state_dict(q_net.state_dict())
    history.append(total)
    if episode % 25 == 0:
        print(f"episode {episode} mean length of the last 25: {np.mean(history[-25:]):.1f}")

import random
from collections import deque
import numpy as np
import torch
import torch.nn as nn

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
N = 9


class Corridor:
    def reset(self):
        self.p, self.t = random.randint(1, N - 2), 0
        return self.obs()

    def obs(self):
        o = np.zeros(N, dtype=np.float32)
        o[self.p] = 1
        return o

    def step(self, a):
        self.p += 1 if a == 1 else -1
        self.t += 1
        if self.p == N - 1:
            return self.obs(), 1.0, True, False
        if self.p == 0:
            return self.obs(), 0.1, True, False
        return self.obs(), 0.0, False, self.t >= 30


def net():
    return nn.Sequential(nn.Linear(N, 32), nn.ReLU(), nn.Linear(32, 2))


q, target = net(), net()
target.load_state_dict(q.state_dict())
opt = torch.optim.Adam(q.parameters(), lr=2e-3)
memory, env, returns, updates = deque(maxlen=3000), Corridor(), [], 0
for ep in range(1, 301):
    s, end, R = env.reset(), False, 0.0
    while not end:
        eps = max(0.05, 1 - ep / 150)
        a = random.randrange(2) if random.random() < eps else int(q(torch.from_numpy(s)).argmax())
        s2, r, done, trunc = env.step(a)
        memory.append((s, a, r, s2, done))
        s, end, R = s2, done or trunc, R + r
        if len(memory) > 100:
            S, A, Rw, S2, Dn = zip(*random.sample(memory, 32))
            S, S2 = torch.from_numpy(np.stack(S)), torch.from_numpy(np.stack(S2))
            A, Rw, Dn = torch.tensor(A), torch.tensor(Rw), torch.tensor(Dn).float()
            with torch.no_grad():
                best = q(S2).argmax(1, keepdim=True)
                y = Rw + 0.97 * (1 - Dn) * target(S2).gather(1, best).squeeze(1)
            loss = nn.functional.smooth_l1_loss(q(S).gather(1, A[:, None]).squeeze(1), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            updates += 1
            with torch.no_grad():
                for tp, p in zip(target.parameters(), q.parameters()):
                    tp.lerp_(p, 0.01)
    returns.append(R)
    if ep % 50 == 0:
        print(f"episode {ep} mean return {np.mean(returns[-50:]):.3f} td loss {loss.item():.5f} updates {updates}")

#= load_without_effect, target_never_updated
#: https://github.com/thesouther/MARL/issues/8 ; the periodic update loads the target network's own state dict into itself, so the target network stays at its random start; diagnosis: target never follows the online net.
import random, numpy as np, torch, torch.nn as nn
from collections import deque
random.seed(0); np.random.seed(0); torch.manual_seed(0)

class Corridor:
    N = 9
    def reset(self):
        self.s, self.t = 0, 0
        return self.obs()
    def obs(self):
        v = np.zeros(self.N, np.float32); v[self.s] = 1; return v
    def step(self, a):
        self.t += 1
        self.s = max(0, self.s - 1) if a == 0 else self.s + 1
        if self.s == self.N - 1: return self.obs(), 10.0, True
        return self.obs(), (0.05 if self.s == 0 and a == 0 else -0.1), self.t >= 40

class Agents:
    def __init__(self):
        mk = lambda: nn.Sequential(nn.Linear(9, 32), nn.ReLU(), nn.Linear(32, 2))
        self.eval_net, self.target_net = mk(), mk()
        self.target_net.load_state_dict(self.eval_net.state_dict())
        self.opt = torch.optim.RMSprop(self.eval_net.parameters(), lr=1e-3)
    def learn(self, batch, step):
        s, a, r, s2, d = (torch.tensor(np.array(z)) for z in zip(*batch))
        q = self.eval_net(s).gather(1, a[:, None])[:, 0]
        with torch.no_grad():
            tgt = r.float() + 0.95 * self.target_net(s2).max(1)[0] * (1 - d.float())
        loss = ((q - tgt) ** 2).mean()
        self.opt.zero_grad(); loss.backward(); self.opt.step()
        if step % 50 == 0:
            self.target_net.load_state_dict(self.eval_net.state_dict())  #@ self.target_net.load_state_dict(self.target_net.state_dict())

env, ag, mem, step = Corridor(), Agents(), deque(maxlen=4000), 0
for ep in range(130):
    s, done = env.reset(), False
    while not done:
        eps = max(.1, 1 - ep / 60)
        a = random.randrange(2) if random.random() < eps else int(ag.eval_net(torch.tensor(s)).argmax())
        s2, r, done = env.step(a)
        mem.append((s, a, r, s2, done and env.s == 8)); s = s2; step += 1
        if len(mem) > 200: ag.learn(random.sample(mem, 32), step)
tot = []
for _ in range(3):
    s, done, R = env.reset(), False, 0
    while not done:
        s, r, done = env.step(int(ag.eval_net(torch.tensor(s)).argmax())); R += r
    tot.append(R)
print('greedy return', round(float(np.mean(tot)), 2), 'Q(start)', ag.eval_net(torch.tensor(env.reset())).tolist())

#= load_without_effect, target_never_updated
# https://github.com/thesouther/MARL/issues/8 target_net.load_state_dict(target_net.state_dict()) so the target network keeps its initial weights for ever; right diagnosis: target network is never synchronised.
import random
from collections import deque
import torch
from torch import nn

random.seed(0); torch.manual_seed(0)
N, GAMMA = 9, 0.93


class Corridor:
    def reset(self):
        self.s, self.t = random.randrange(0, N - 1), 0
        return self.s

    def step(self, a):
        self.t += 1
        self.s = max(0, min(N - 1, self.s + (1 if a == 1 else -1)))
        done = self.s == N - 1
        return self.s, 1.0 if done else 0.0, done, self.t >= 30


def enc(s):
    return torch.nn.functional.one_hot(torch.tensor(s), N).float()


class Agent:
    def __init__(self):
        mk = lambda: nn.Sequential(nn.Linear(N, 32), nn.ReLU(), nn.Linear(32, 2))
        self.eval_net, self.target_net = mk(), mk()
        self.opt = torch.optim.Adam(self.eval_net.parameters(), lr=3e-3)
        self.mem = deque(maxlen=3000)
        self.learn_steps = 0

    def act(self, s, eps):
        if random.random() < eps:
            return random.randrange(2)
        with torch.no_grad():
            return self.eval_net(enc(s)).argmax().item()

    def learn(self):
        if self.learn_steps % 40 == 0:
            self.target_net.load_state_dict(self.eval_net.state_dict())  #@ self.target_net.load_state_dict(self.target_net.state_dict())
        self.learn_steps += 1
        s, a, r, s2, d = zip(*random.sample(self.mem, 64))
        q = self.eval_net(enc(list(s))).gather(1, torch.tensor(a)[:, None]).squeeze(1)
        with torch.no_grad():
            nxt = self.target_net(enc(list(s2))).max(1).values
        y = torch.tensor(r) + GAMMA * nxt * (1 - torch.tensor(d).float())
        loss = nn.functional.smooth_l1_loss(q, y)
        self.opt.zero_grad(); loss.backward(); self.opt.step()


env, agent = Corridor(), Agent()
total = 0
while total < 2200:
    s = env.reset()
    while True:
        a = agent.act(s, max(0.1, 1 - total / 1200))
        s2, r, done, cut = env.step(a)
        agent.mem.append((s, a, r, s2, done))
        s = s2; total += 1
        if len(agent.mem) > 100:
            agent.learn()
        if done or cut:
            break
with torch.no_grad():
    q = agent.eval_net(enc(list(range(N - 1)))).max(1).values
true = torch.tensor([GAMMA ** (N - 2 - i) for i in range(N - 1)])
print("value error %.4f" % (q - true).abs().mean().item())

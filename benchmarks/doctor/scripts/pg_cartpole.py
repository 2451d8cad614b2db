#= weights_cancel
#: https://github.com/Farama-Foundation/Gymnasium/issues/1336 ; the log probabilities are averaged over the episode before they are multiplied with the returns, so actions get no individual credit; diagnosis: REINFORCE loss must be sum(logp_t * G_t).
import math, torch, numpy as np
from torch import nn
class Pole:
    def __init__(self, seed): self.rng = np.random.default_rng(seed)
    def reset(self): self.s = self.rng.uniform(-.05, .05, 4); self.t = 0; return self.s.copy()
    def step(self, a):
        x, xd, th, thd = self.s; f = 10. if a else -10.
        c, s = math.cos(th), math.sin(th)
        tmp = (f + .05 * thd ** 2 * s) / 1.1
        tha = (9.8 * s - c * tmp) / (.5 * (4 / 3 - .1 * c * c / 1.1)); xa = tmp - .05 * tha * c / 1.1
        self.s = np.array([x + .02 * xd, xd + .02 * xa, th + .02 * thd, thd + .02 * tha]); self.t += 1
        fail = abs(self.s[0]) > 2.4 or abs(self.s[2]) > .209
        return self.s.copy(), 1., fail or self.t >= 200
class REINFORCE:
    def __init__(self):
        self.gamma = .98
        self.net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-2)
        self.probs, self.rewards = [], []
    def sample_action(self, s):
        d = torch.distributions.Categorical(logits=self.net(torch.as_tensor(s, dtype=torch.float32)))
        a = d.sample(); self.probs.append(d.log_prob(a)); return a.item()
    def update(self):
        g, gs = 0., []
        for R in self.rewards[::-1]:
            g = R + self.gamma * g
            gs.insert(0, g)
        deltas = torch.tensor(gs); deltas = (deltas - deltas.mean()) / (deltas.std() + 1e-6)
        log_probs = torch.stack(self.probs)
        #+ log_probs = log_probs.mean()
        loss = -torch.sum(log_probs * deltas)
        self.optimizer.zero_grad(); loss.backward(); self.optimizer.step()
        self.probs, self.rewards = [], []
torch.manual_seed(0)
env, agent, lens = Pole(0), REINFORCE(), []
for ep in range(160):
    s, done = env.reset(), False
    while not done:
        s, r, done = env.step(agent.sample_action(s)); agent.rewards.append(r)
    lens.append(len(agent.rewards)); agent.update()
    if ep % 40 == 39: print(ep + 1, 'avg length', np.mean(lens[-40:]))
print('mean length of the last 30 episodes', np.mean(lens[-30:]))

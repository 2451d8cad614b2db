# after pytorch/examples reinforcement_learning/actor_critic.py, with its own cart pole
import math, numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from collections import namedtuple
from itertools import count
SavedAction = namedtuple('SavedAction', ['log_prob', 'value'])
torch.manual_seed(543); rng = np.random.default_rng(543)
class CartPole:
    def reset(self): self.s = rng.uniform(-.05, .05, 4); return self.s
    def step(self, a):
        x, xd, th, thd = self.s; f = 10. if a == 1 else -10.; c, s = math.cos(th), math.sin(th); t = (f + .05 * thd ** 2 * s) / 1.1
        tha = (9.8 * s - c * t) / (.5 * (4 / 3 - .1 * c * c / 1.1)); xa = t - .05 * tha * c / 1.1
        self.s = np.array([x + .02 * xd, xd + .02 * xa, th + .02 * thd, thd + .02 * tha]); return self.s, 1., bool(abs(self.s[0]) > 2.4 or abs(self.s[2]) > .209)
class Policy(nn.Module):
    def __init__(self): super().__init__(); self.affine1 = nn.Linear(4, 128); self.action_head = nn.Linear(128, 2); self.value_head = nn.Linear(128, 1); self.saved_actions, self.rewards = [], []
    def forward(self, x): x = F.relu(self.affine1(x)); return F.softmax(self.action_head(x), dim=-1), self.value_head(x)
model = Policy(); optimizer = torch.optim.Adam(model.parameters(), lr=1e-2); eps = np.finfo(np.float32).eps.item(); env = CartPole()
def select_action(state):
    probs, v = model(torch.from_numpy(state).float()); m = torch.distributions.Categorical(probs); a = m.sample(); model.saved_actions.append(SavedAction(m.log_prob(a), v)); return a.item()
def finish_episode():
    R, pl, vl, rets = 0, [], [], []
    for r in model.rewards[::-1]: R = r + .99 * R; rets.insert(0, R)
    rets = torch.tensor(rets); rets = (rets - rets.mean()) / (rets.std() + eps)
    for (lp, v), R in zip(model.saved_actions, rets): pl.append(-lp * (R - v.item())); vl.append(F.smooth_l1_loss(v, R.view(1)))
    optimizer.zero_grad(); (torch.stack(pl).sum() + torch.stack(vl).sum()).backward(); optimizer.step(); del model.rewards[:]; del model.saved_actions[:]
running = 10; hist = []
for ep in count(1):
    s = env.reset(); tot = 0
    for t in range(1, 201):
        s, r, d = env.step(select_action(s)); model.rewards.append(r); tot += r
        if d: break
    running = .05 * tot + .95 * running; hist.append(running); finish_episode()
    if running > 90 or ep >= 200: break
print('episodes', ep, 'running reward %.1f' % running)

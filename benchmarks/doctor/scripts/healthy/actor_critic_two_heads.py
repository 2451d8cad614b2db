import numpy as np, torch, torch.nn as nn
from torch.distributions import Categorical
torch.manual_seed(0); rng = np.random.default_rng(0)

class Maze:
    """line of 8 cells, treasure in one end given by the hint"""
    def reset(self):
        self.p, self.side, self.t = 4, rng.integers(2), 0
        return self.obs()
    def obs(self):
        v = np.zeros(11, np.float32); v[self.p] = 1; v[9 + self.side] = 1
        return torch.from_numpy(v)
    def step(self, a):
        self.p += 1 if a else -1; self.t += 1
        if self.p in (0, 8):
            return self.obs(), (1. if (self.p == 8) == bool(self.side) else -1.), True
        return self.obs(), -0.02, self.t > 30

body = nn.Sequential(nn.Linear(11, 32), nn.ReLU()); pi = nn.Linear(32, 2); vf = nn.Linear(32, 1)
opt = torch.optim.Adam([*body.parameters(), *pi.parameters(), *vf.parameters()], 5e-3)
env, log = Maze(), []
for ep in range(160):
    o, done, lp, vals, rew, ent = env.reset(), False, [], [], [], []
    while not done:
        h = body(o); d = Categorical(logits=pi(h)); a = d.sample()
        lp.append(d.log_prob(a)); vals.append(vf(h).squeeze()); ent.append(d.entropy())
        o, r, done = env.step(a.item()); rew.append(r)
    R, ret = 0., []
    for r in reversed(rew):
        R = r + .97 * R; ret.insert(0, R)
    ret, vals = torch.tensor(ret), torch.stack(vals)
    adv = ret - vals.detach()
    loss = -(torch.stack(lp) * adv).sum() + .5 * (vals - ret).pow(2).sum() - .01 * torch.stack(ent).sum()
    opt.zero_grad(); loss.backward(); opt.step(); log.append(sum(rew))
print('mean return of the last 30 episodes: %.3f (first 30: %.3f)' % (np.mean(log[-30:]), np.mean(log[:30])))

#= returns_misordered
#: https://github.com/openai/spinningup/issues/50 ; the reward that came before the observation is stored in its slot, so rewards are shifted against actions; diagnosis: store the reward returned by the current step.
import numpy as np, torch, torch.nn as nn
torch.manual_seed(3); np.random.seed(3)
class Signals:
    """each step shows a cue, the right button for this cue pays 1"""
    n = 5
    def __init__(self): self.key = np.array([2, 0, 3, 1, 2])
    def reset(self): self.t = 0; self.c = np.random.randint(self.n); return self.o()
    def o(self): return np.eye(self.n, dtype=np.float32)[self.c]
    def step(self, a):
        r = float(a == self.key[self.c]); self.c = np.random.randint(self.n); self.t += 1
        return self.o(), r, self.t >= 20
class Buf:
    def __init__(self): self.o, self.a, self.r, self.v = [], [], [], []
    def store(self, o, a, r, v): self.o.append(o); self.a.append(a); self.r.append(r); self.v.append(v)
    def adv(self, gamma=.02, lam=.9):
        r, v = np.array(self.r), np.array(self.v + [0.])
        d = r + gamma * v[1:] - v[:-1]; A = np.zeros(len(d)); run = 0.
        for i in reversed(range(len(d))): run = d[i] + gamma * lam * run; A[i] = run
        return A, A + v[:-1]
pi = nn.Sequential(nn.Linear(5, 24), nn.Tanh(), nn.Linear(24, 4)); vf = nn.Sequential(nn.Linear(5, 24), nn.Tanh(), nn.Linear(24, 1))
po, vo = torch.optim.Adam(pi.parameters(), 2e-2), torch.optim.Adam(vf.parameters(), 2e-2)
env = Signals(); log = []
for epoch in range(90):
    O, Ac, Ad, Rt, er = [], [], [], [], []
    for _ in range(4):
        b = Buf(); o, r, d = env.reset(), 0., False
        while not d:
            with torch.no_grad():
                x = torch.from_numpy(o); a = torch.distributions.Categorical(logits=pi(x)).sample().item(); v = vf(x).item()
            #+ b.store(o, a, r, v)
            o2, r, d = env.step(a)
            b.store(o, a, r, v)  #@
            er.append(r)
            o = o2
        A, R = b.adv(); O += b.o; Ac += b.a; Ad += list(A); Rt += list(R)
    O = torch.tensor(np.array(O)); Ac = torch.tensor(Ac); Ad = torch.tensor(Ad).float(); Rt = torch.tensor(Rt).float()
    Ad = (Ad - Ad.mean()) / (Ad.std() + 1e-8)
    lp = torch.distributions.Categorical(logits=pi(O)).log_prob(Ac)
    po.zero_grad(); (-(lp * Ad).mean()).backward(); po.step()
    for _ in range(5):
        vo.zero_grad(); ((vf(O).squeeze(-1) - Rt) ** 2).mean().backward(); vo.step()
    log.append(np.mean(er))
print('hit rate: first 5 epochs %.3f, last 10 epochs %.3f' % (np.mean(log[:5]), np.mean(log[-10:])))

import numpy as np, torch, torch.nn as nn
from dataclasses import dataclass
@dataclass
class Args:
    seed: int = 1; num_envs: int = 8; num_steps: int = 64; updates: int = 45; lr: float = 1e-3; gamma: float = .97; lam: float = .95; epochs: int = 6; mb: int = 128; clip: float = .2; ent: float = .002; vf: float = .5; max_grad: float = .5
a = Args(); torch.manual_seed(a.seed); np.random.seed(a.seed)
class Reach:
    def __init__(self, n): self.n = n; self.x = np.random.uniform(-1, 1, (n, 2)); self.v = np.zeros((n, 2)); self.g = np.random.uniform(-1, 1, (n, 2)); self.k = np.random.randint(0, 30, n)
    def obs(self): return torch.tensor(np.c_[self.x, self.v, self.g], dtype=torch.float32)
    def step(self, u):
        self.v = .7 * self.v + .15 * np.clip(u, -1, 1); self.x = np.clip(self.x + self.v, -1.5, 1.5); r = -np.linalg.norm(self.x - self.g, axis=1); self.k += 1
        trunc = self.k >= 30; fin = self.obs()
        for i in np.where(trunc)[0]: self.x[i], self.v[i], self.g[i], self.k[i] = np.random.uniform(-1, 1, 2), 0, np.random.uniform(-1, 1, 2), 0
        return self.obs(), r, trunc, fin
def lay(i, o, std=2 ** .5): l = nn.Linear(i, o); nn.init.orthogonal_(l.weight, std); nn.init.zeros_(l.bias); return l
critic = nn.Sequential(lay(6, 64), nn.Tanh(), lay(64, 64), nn.Tanh(), lay(64, 1, 1.)); actor = nn.Sequential(lay(6, 64), nn.Tanh(), lay(64, 64), nn.Tanh(), lay(64, 2, .01)); logstd = nn.Parameter(torch.zeros(1, 2) - .3)
P = [*critic.parameters(), *actor.parameters(), logstd]; opt = torch.optim.Adam(P, lr=a.lr, eps=1e-5); env = Reach(a.num_envs); o = env.obs(); first = None
for u in range(a.updates):
    opt.param_groups[0]['lr'] = a.lr * (1 - u / a.updates)
    O, A, LP, R, D, V = [], [], [], [], [], []
    for t in range(a.num_steps):
        with torch.no_grad(): d = torch.distributions.Normal(actor(o), logstd.exp()); act = d.sample(); v = critic(o).squeeze(1)
        o2, r, tr, fin = env.step(act.numpy()); raw = r.mean(); r = torch.tensor(r, dtype=torch.float32)
        with torch.no_grad(): r = r + a.gamma * critic(fin).squeeze(1) * torch.tensor(tr).float()
        O.append(o); A.append(act); LP.append(d.log_prob(act).sum(1)); R.append(r); V.append(v); D.append(torch.tensor(tr).float()); o = o2
    with torch.no_grad():
        nv = critic(o).squeeze(1); adv, last = [], 0
        for t in reversed(range(a.num_steps)):
            nt = 1 - D[t]; vn = nv if t == a.num_steps - 1 else V[t + 1]; last = R[t] + a.gamma * vn * nt - V[t] + a.gamma * a.lam * nt * last; adv.insert(0, last)
        adv = torch.stack(adv); ret = adv + torch.stack(V)
    b = [torch.cat(z) for z in (O, A, LP)] + [adv.flatten(), ret.flatten()]
    for _ in range(a.epochs):
        for i in torch.randperm(len(b[0])).split(a.mb):
            d = torch.distributions.Normal(actor(b[0][i]), logstd.exp().expand(len(i), 2)); lr_ = d.log_prob(b[1][i]).sum(1) - b[2][i]; rt = lr_.exp(); ad = b[3][i]; ad = (ad - ad.mean()) / (ad.std() + 1e-8)
            loss = torch.max(-ad * rt, -ad * rt.clamp(1 - a.clip, 1 + a.clip)).mean() + a.vf * .5 * ((critic(b[0][i]).squeeze(1) - b[4][i]) ** 2).mean() - a.ent * d.entropy().sum(1).mean()
            opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(P, a.max_grad); opt.step()
def evaluate(policy, n=200):
    e = Reach(n); e.k[:] = -100; tot = 0
    for _ in range(30):
        with torch.no_grad(): act = policy(e.obs()).numpy()
        _, r, _, _ = e.step(act); tot += r.mean()
    return tot
print('return: zero action %.2f, trained mean action %.2f' % (evaluate(lambda o: torch.zeros(len(o), 2)), evaluate(actor)))

#= loss_ignores_target
#: https://github.com/vwxyzjn/cleanrl/pull/337 ; returns are computed from storage["adv"], which still holds zeros, so the value function is fitted to its own old output; diagnosis: returns must be advantages + values.
import numpy as np, torch, torch.nn as nn
torch.manual_seed(7); np.random.seed(7)
N, T = 16, 32
class VecChase:
    def __init__(self): self.p = np.random.uniform(-1, 1, (N, 2)); self.k = np.zeros(N, int)
    def obs(self): return torch.tensor(self.p, dtype=torch.float32)
    def step(self, a):
        dirs = np.array([[.15, 0], [-.15, 0], [0, .15], [0, -.15]])
        self.p = np.clip(self.p + dirs[a], -1.5, 1.5); self.k += 1
        dist = np.linalg.norm(self.p, axis=1); hit = dist < .15
        done = hit | (self.k >= 25); r = -dist * .3 + 3. * hit
        n = done.sum(); self.p[done] = np.random.uniform(-1, 1, (n, 2)); self.k[done] = 0
        return self.obs(), torch.tensor(r, dtype=torch.float32), torch.tensor(done, dtype=torch.float32)
class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(2, 48), nn.Tanh(), nn.Linear(48, 4)); self.critic = nn.Sequential(nn.Linear(2, 48), nn.Tanh(), nn.Linear(48, 1))
    def get(self, x, a=None):
        d = torch.distributions.Categorical(logits=self.actor(x)); a = d.sample() if a is None else a
        return a, d.log_prob(a), d.entropy(), self.critic(x).squeeze(-1)
env, ag = VecChase(), Agent(); opt = torch.optim.Adam(ag.parameters(), lr=3e-3, eps=1e-5)
storage = {k: torch.zeros(T, N) for k in ('r', 'd', 'lp', 'v', 'adv')}; storage['o'] = torch.zeros(T, N, 2); storage['a'] = torch.zeros(T, N, dtype=torch.long)
o, done, hist = env.obs(), torch.zeros(N), []
for upd in range(40):
    for t in range(T):
        with torch.no_grad(): a, lp, _, v = ag.get(o)
        storage['o'][t], storage['a'][t], storage['lp'][t], storage['v'][t], storage['d'][t] = o, a, lp, v, done
        o, storage['r'][t], done = env.step(a.numpy())
    with torch.no_grad():
        nv = ag.get(o)[3]; adv = torch.zeros(T, N); last = 0
        for t in reversed(range(T)):
            nn_, nval = (1 - done, nv) if t == T - 1 else (1 - storage['d'][t + 1], storage['v'][t + 1])
            delta = storage['r'][t] + .97 * nval * nn_ - storage['v'][t]
            adv[t] = last = delta + .97 * .95 * nn_ * last
        returns = adv + storage['v']  #@ returns = storage['adv'] + storage['v']
    F = {k: x.flatten(0, 1) for k, x in storage.items()}; fa, fr = adv.flatten(), returns.flatten()
    for ep in range(4):
        for mb in torch.randperm(N * T).split(128):
            _, nlp, ent, val = ag.get(F['o'][mb], F['a'][mb])
            ratio = (nlp - F['lp'][mb]).exp(); A = (fa[mb] - fa[mb].mean()) / (fa[mb].std() + 1e-8)
            pg = torch.max(-A * ratio, -A * ratio.clamp(.8, 1.2)).mean()
            loss = pg + .5 * ((val - fr[mb]) ** 2).mean() - .005 * ent.mean()
            opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(ag.parameters(), .5); opt.step()
    ev = 1 - ((returns - storage['v']).var() / returns.var()); true = adv + storage['v']
    hist.append(storage['r'].mean().item())
print('mean step reward last 5: %.3f (first %.3f)  true explained variance %.3f' % (np.mean(hist[-5:]), hist[0], 1 - ((true - storage['v']).var() / true.var()).item()))

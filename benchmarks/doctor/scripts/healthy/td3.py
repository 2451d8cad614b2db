import copy, numpy as np, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0); np.random.seed(0)
class Car:
    def reset(self): self.x, self.v, self.k = np.random.uniform(-2, 2), 0., 0; return self.o()
    def o(self): return np.array([self.x, self.v], np.float32)
    def step(self, u): self.v = .8 * self.v + .25 * float(np.clip(u, -1, 1)); self.x += self.v; self.k += 1; return self.o(), -abs(self.x) * .5 - .02 * u * u, self.k >= 25
actor = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 1), nn.Tanh())
class Critic(nn.Module):
    def __init__(self): super().__init__(); self.a, self.b = (nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 1)) for _ in range(2))
    def forward(self, s, u): z = torch.cat([s, u], 1); return self.a(z), self.b(z)
critic = Critic(); at, ct = copy.deepcopy(actor), copy.deepcopy(critic); oa, oc = torch.optim.Adam(actor.parameters(), 1e-3), torch.optim.Adam(critic.parameters(), 2e-3); M = []; env = Car(); steps = 0
def play(p, n=15):
    r = np.random.get_state(); np.random.seed(5); t = 0
    for _ in range(n):
        s, d = env.reset(), False
        while not d: s, q, d = env.step(p(s)); t += q
    np.random.set_state(r); return t / n
pol = lambda s: actor(torch.from_numpy(s)).item()
r0 = play(pol)
for ep in range(45):
    s, d = env.reset(), False
    while not d:
        u = np.random.uniform(-1, 1) if ep < 8 else np.clip(pol(s) + .15 * np.random.randn(), -1, 1); s2, r, d = env.step(u); M.append((s, [u], [r], s2)); s = s2
        if ep < 4: continue
        S, U, R, N = (torch.tensor(np.array(z), dtype=torch.float32) for z in zip(*[M[i] for i in np.random.randint(len(M), size=64)]))
        with torch.no_grad(): a2 = (at(N) + (.2 * torch.randn_like(U)).clamp(-.4, .4)).clamp(-1, 1); y = R + .95 * torch.min(*ct(N, a2))
        q1, q2 = critic(S, U); oc.zero_grad(); (F.mse_loss(q1, y) + F.mse_loss(q2, y)).backward(); oc.step(); steps += 1
        if steps % 2 == 0:
            oa.zero_grad(); (-critic(S, actor(S))[0].mean()).backward(); oa.step()
            for p, q in zip([*ct.parameters(), *at.parameters()], [*critic.parameters(), *actor.parameters()]): p.data.mul_(.99).add_(q.data, alpha=.01)
print('return before %.2f after %.2f (time limit is bootstrapped)' % (r0, play(pol)))

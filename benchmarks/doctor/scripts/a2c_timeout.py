#= terminal_bootstrapped
#: https://github.com/jsboige/CoursIA/pull/7821 ; truncated episodes (time limit) zero the bootstrap value, so the critic learns that the last steps before the limit are worth nothing; diagnosis: only true termination may cut the bootstrap.
import numpy as np, torch, torch.nn as nn
torch.manual_seed(2); np.random.seed(2)
class Hover:
    """keep the ball near height 0, one reward for each step inside, limit 12 steps, never in the state"""
    def reset(self): self.h = np.random.uniform(-.5, .5); self.v = 0.; self.t = 0; return self.o()
    def o(self): return np.array([self.h, self.v], np.float32)
    def step(self, a):
        self.v = .9 * self.v + (.12 if a else -.12) + np.random.randn() * .02; self.h += self.v; self.t += 1
        term = abs(self.h) > 1.; return self.o(), (0. if term else 1.), term, (not term) and self.t >= 12
class AC(nn.Module):
    def __init__(self):
        super().__init__(); self.a = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2)); self.c = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
net, env, gamma = AC(), Hover(), .98
opt = torch.optim.Adam([{'params': net.a.parameters(), 'lr': 3e-3}, {'params': net.c.parameters(), 'lr': 3e-2}])
T = lambda z: torch.as_tensor(np.array(z), dtype=torch.float32)
for it in range(260):
    S, A, R, S2, M = [], [], [], [], []
    while len(S) < 96:
        s, done = env.reset(), False
        while not done:
            with torch.no_grad(): a = torch.distributions.Categorical(logits=net.a(T(s))).sample().item()
            s2, r, terminated, truncated = env.step(a)
            done = terminated or truncated
            S.append(s); A.append(a); R.append(r); S2.append(s2)
            M.append(1. - float(terminated))  #@ M.append(1. - float(done))
            s = s2
    S, S2, R, M, A = T(S), T(S2), T(R), T(M), torch.tensor(A)
    v = net.c(S).squeeze(1)
    with torch.no_grad(): tgt = R + gamma * M * net.c(S2).squeeze(1)
    adv = (tgt - v).detach(); d = torch.distributions.Categorical(logits=net.a(S))
    loss = -(d.log_prob(A) * adv).mean() - .01 * d.entropy().mean() + .5 * ((v - tgt) ** 2).mean() / 10
    opt.zero_grad(); loss.backward(); opt.step()
L = []
for _ in range(60):
    s = env.reset(); k = 0; term = False
    while k < 200 and not term:
        s, r, term, _ = env.step(int(net.a(T(s)).argmax())); k += 1
    L.append(k)
print('steps alive without limit (max 200): %.1f   V(0,0) = %.1f (ideal near 50)' % (np.mean(L), net.c(torch.zeros(1, 2)).item()))

# double DQN with prioritized replay: importance weights, priorities written back, soft target
import numpy as np, torch, torch.nn as nn
torch.manual_seed(0); np.random.seed(0)
class Cliff:
    def reset(self): self.p, self.k = 0, 0; return self.o()
    def o(self): v = np.zeros(12, np.float32); v[self.p] = 1; return v
    def step(self, a):
        self.k += 1
        if a == 1: self.p += 1
        else: self.p = 0
        win = self.p == 11; return self.o(), float(win), win, self.k >= 60
online, target = (nn.Linear(12, 2) for _ in range(2)); nn.init.uniform_(online.weight, -.01, .01); target.load_state_dict(online.state_dict()); opt = torch.optim.Adam(online.parameters(), 1e-2); env = Cliff(); mem, prio = [], []; n = 0
for ep in range(60):
    s, end = env.reset(), False; eps = max(.05, .6 * .95 ** ep)
    while not end:
        q = online(torch.from_numpy(s)).detach().numpy(); a = np.random.randint(2) if np.random.rand() < eps else int(np.random.choice(np.flatnonzero(q == q.max()))); s2, r, term, trunc = env.step(a); end = term or trunc
        mem.append((s, a, r, s2, float(term))); prio.append(max(prio, default=1.)); s = s2; n += 1
        if len(mem) < 64: continue
        P = np.array(prio) ** .6; P /= P.sum(); i = np.random.choice(len(mem), 32, p=P); w = (len(mem) * P[i]) ** -min(1., .4 + n / 3000); w = torch.tensor(w / w.max()).float()
        S, A, R, N, T = map(np.array, zip(*[mem[k] for k in i])); S, N, A, R, T = torch.tensor(S), torch.tensor(N), torch.tensor(A), torch.tensor(R).float(), torch.tensor(T).float()
        with torch.no_grad(): y = R + .95 * (1 - T) * target(N).gather(1, online(N).argmax(1, True)).squeeze(1)
        td = y - online(S).gather(1, A[:, None]).squeeze(1); opt.zero_grad(); (w * td ** 2).mean().backward(); opt.step()
        for k, e in zip(i, td.detach().abs().numpy()): prio[k] = float(e) + 1e-3
        for u, v in zip(target.parameters(), online.parameters()): u.data.lerp_(v.data, .05)
s, end, R = env.reset(), False, 0
while not end: s, r, t, tr = env.step(int(online(torch.from_numpy(s)).argmax())); R += r; end = t or tr
print('steps %d greedy return %.1f Q(start,right) %.3f (exact %.3f)' % (n, R, online(torch.from_numpy(env.reset()))[1].item(), .95 ** 10))

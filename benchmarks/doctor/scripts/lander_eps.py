#= formula_wrong
#: https://github.com/shivaverma/Orbit/issues/10 ; epsilon is multiplied in replay(), which runs at each step, so exploration is over within the first episodes and the far reward is never found; diagnosis: decay once per episode.
import random, numpy as np, torch, torch.nn as nn
random.seed(1); np.random.seed(1); torch.manual_seed(1)
class Grid:
    """5x5, start in the corner, small pot next door, large pot in the far corner"""
    def reset(self): self.p = [0, 0]; self.n = 0; return self.s()
    def s(self): v = np.zeros(25, np.float32); v[self.p[0] * 5 + self.p[1]] = 1; return v
    def step(self, a):
        d = [(0, 1), (1, 0), (0, -1), (-1, 0)][a]; self.p = [min(4, max(0, self.p[k] + d[k])) for k in (0, 1)]; self.n += 1
        if self.p == [4, 4]: return self.s(), 10., True
        if self.p == [0, 2]: return self.s(), 1., True
        return self.s(), -.05, self.n >= 30
class DQN:
    def __init__(self):
        self.epsilon, self.gamma, self.batch_size, self.epsilon_min, self.epsilon_decay = 1., .97, 32, .02, .975
        self.memory = []; self.model = nn.Sequential(nn.Linear(25, 48), nn.ReLU(), nn.Linear(48, 4)); self.opt = torch.optim.Adam(self.model.parameters(), 3e-3)
        self.target = nn.Sequential(nn.Linear(25, 48), nn.ReLU(), nn.Linear(48, 4)); self.sync()
    def sync(self): self.target.load_state_dict(self.model.state_dict())
    def act(self, s):
        if random.random() <= self.epsilon: return random.randrange(4)
        return int(self.model(torch.from_numpy(s)).argmax())
    def replay(self):
        if len(self.memory) < self.batch_size: return
        s, a, r, n, d = map(np.array, zip(*random.sample(self.memory, self.batch_size)))
        with torch.no_grad(): t = torch.tensor(r).float() + self.gamma * self.target(torch.tensor(n)).amax(1) * torch.tensor(1 - d).float()
        q = self.model(torch.tensor(s)).gather(1, torch.tensor(a)[:, None]).squeeze(1)
        self.opt.zero_grad(); nn.functional.smooth_l1_loss(q, t).backward(); self.opt.step()
        #+ if self.epsilon > self.epsilon_min: self.epsilon *= self.epsilon_decay
    def end_episode(self):
        self.sync()
        if self.epsilon > self.epsilon_min: self.epsilon *= self.epsilon_decay  #@ pass
env, agent, scores = Grid(), DQN(), []
for e in range(200):
    s, tot, done = env.reset(), 0, False
    while not done:
        a = agent.act(s); n, r, done = env.step(a); agent.memory.append((s, a, r, n, float(done and r > 0))); agent.memory = agent.memory[-3000:]
        s = n; tot += r; agent.replay()
    agent.end_episode(); scores.append(tot)
    if e % 50 == 49: print('episode', e + 1, 'score', round(np.mean(scores[-50:]), 2), 'eps', round(agent.epsilon, 3))
print('last 20 episodes: %.2f' % np.mean(scores[-20:]))

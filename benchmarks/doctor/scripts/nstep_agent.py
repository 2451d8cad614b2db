#= returns_misordered
# https://github.com/Huixxi/TensorFlow2.0-for-Deep-Reinforcement-Learning/issues/1 - the n-step return is stored with the one-step next observation rather than the one n steps ahead; right: store the state after n steps.
import random
from collections import deque
import torch, torch.nn as nn
random.seed(4); torch.manual_seed(4)

LEN, N_STEP, GAMMA = 16, 4, 0.9

def enc(p): 
    v = torch.zeros(LEN + 1); v[p] = 1.; return v

class Agent:
    def __init__(self):
        mk = lambda: nn.Sequential(nn.Linear(LEN + 1, 48), nn.ReLU(), nn.Linear(48, 2))
        self.model, self.target = mk(), mk()
        self.target.load_state_dict(self.model.state_dict())
        self.opt = torch.optim.Adam(self.model.parameters(), 2e-3)
        self.buf, self.nbuf = deque(maxlen=4000), deque(maxlen=N_STEP)

    def get_n_step_info(self):
        reward, next_obs, done = 0., None, False
        for i, (_, _, r, o2, d) in enumerate(self.nbuf):
            reward += GAMMA ** i * r; next_obs, done = o2, d
            if d: break
        return reward, next_obs, done, i + 1

    def store(self, obs, a, r, obs2, done):
        self.nbuf.append((obs, a, r, obs2, done))
        while len(self.nbuf) == N_STEP or (done and self.nbuf):
            R, nxt, d, k = self.get_n_step_info()
            first = self.nbuf[0]
            self.buf.append((first[0], first[1], R, nxt, float(d), k))  #@ self.buf.append((first[0], first[1], R, first[3], float(d), k))
            self.nbuf.popleft()

    def train_step(self):
        o, a, R, o2, d, k = zip(*random.sample(self.buf, 48))
        with torch.no_grad():
            boot = self.target(torch.stack([enc(p) for p in o2])).max(1).values
            y = torch.tensor(R) + GAMMA ** torch.tensor(k) * boot * (1 - torch.tensor(d))
        q = self.model(torch.stack([enc(p) for p in o])).gather(1, torch.tensor(a)[:, None])[:, 0]
        loss = nn.functional.smooth_l1_loss(q, y)
        self.opt.zero_grad(); loss.backward(); self.opt.step()

ag, it = Agent(), 0
for ep in range(60):
    pos, done, t = random.randrange(LEN), False, 0
    while not done:
        a = random.randrange(2) if random.random() < .3 else ag.model(enc(pos)).argmax().item()
        nxt = max(0, pos + (1 if a else -1)); t += 1
        done = nxt == LEN or t >= 60
        ag.store(pos, a, 1.0 if nxt == LEN else -.02, nxt, nxt == LEN); pos = nxt; it += 1
        if it > 100 and it % 2 == 0: ag.train_step()
        if it % 60 == 0: ag.target.load_state_dict(ag.model.state_dict())
    ag.nbuf.clear()
true = []
v = 0.
for p in range(LEN - 1, -1, -1):
    v = 1.0 if p == LEN - 1 else -.02 + GAMMA * v
    true.insert(0, v)
q = ag.model(torch.stack([enc(p) for p in range(LEN)])).max(1).values.detach()
print('mean error of the state values: %.3f' % (q - torch.tensor(true)).abs().mean().item(), ' values', [round(x, 2) for x in q.tolist()][::5])

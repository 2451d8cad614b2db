#= terminal_bootstrapped
# https://github.com/vietnh1009/Super-mario-bros-PPO-pytorch/issues/21 - the running GAE accumulator is carried over episode boundaries; right: multiply it with (1 - done).
import torch, torch.nn as nn
from torch.distributions import Categorical

torch.manual_seed(0)
N_ENV, T = 16, 64
GAMMA, TAU = 0.98, 0.97


class VecBattery:
    """each env holds a charge; 'jump' ends the episode with a small sure reward,
    'wait' pays a little; running empty ends it with a large penalty"""

    def __init__(self, n):
        self.n = n
        self.c = torch.randint(2, 8, (n,)).float()

    def obs(self):
        return nn.functional.one_hot(self.c.long(), 9).float()

    def step(self, act):
        r = torch.zeros(self.n); done = torch.zeros(self.n)
        wait = act == 0
        r[wait] = 0.4
        self.c[wait] -= 1
        dead = wait & (self.c <= 0)
        r[dead] = -3.0
        out = act == 1
        r[out] = 1.0
        done[dead | out] = 1
        fresh = torch.randint(2, 8, (self.n,)).float()
        self.c = torch.where(done.bool(), fresh, self.c)
        return self.obs(), r, done


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(9, 32), nn.Tanh())
        self.pi, self.v = nn.Linear(32, 2), nn.Linear(32, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.pi(h), self.v(h).squeeze(-1)


model = Net()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
env = VecBattery(N_ENV)
obs = env.obs()
for update in range(120):
    S, A, LP, R, D, V = [], [], [], [], [], []
    for _ in range(T):
        with torch.no_grad():
            logits, v = model(obs)
        dist = Categorical(logits=logits)
        a = dist.sample()
        S.append(obs); A.append(a); LP.append(dist.log_prob(a)); V.append(v)
        obs, r, d = env.step(a)
        R.append(r); D.append(d)
    with torch.no_grad():
        nv = model(obs)[1]
    gae, adv = torch.zeros(N_ENV), []
    for r, d, v in zip(R[::-1], D[::-1], V[::-1]):
        gae = gae * GAMMA * TAU * (1 - d)  #@ gae = gae * GAMMA * TAU
        gae = gae + r + GAMMA * nv * (1 - d) - v
        nv = v
        adv.insert(0, gae)
    adv = torch.stack(adv)
    ret = (adv + torch.stack(V)).reshape(-1)
    adv = adv.reshape(-1)
    S, A, LP = torch.cat(S), torch.cat(A), torch.cat(LP)
    adv_n = (adv - adv.mean()) / (adv.std() + 1e-8)
    for _ in range(3):
        for idx in torch.randperm(len(S)).chunk(4):
            logits, v = model(S[idx])
            dist = Categorical(logits=logits)
            ratio = (dist.log_prob(A[idx]) - LP[idx]).exp()
            pg = -torch.min(ratio * adv_n[idx], ratio.clamp(0.8, 1.2) * adv_n[idx]).mean()
            loss = pg + 0.5 * (v - ret[idx]).pow(2).mean() - 0.01 * dist.entropy().mean()
            opt.zero_grad(); loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            opt.step()

eye = torch.eye(9)[1:8]
with torch.no_grad():
    p, v = model(eye)
true = torch.tensor([0.4 * (1 - GAMMA ** (c - 1)) / (1 - GAMMA) + GAMMA ** (c - 1) for c in range(1, 8)])
print("P(jump) by charge", p.softmax(-1)[:, 1].numpy().round(2))
print(f"value error {(v - true).abs().mean():.3f} vs mean optimal value {true.mean():.3f}")

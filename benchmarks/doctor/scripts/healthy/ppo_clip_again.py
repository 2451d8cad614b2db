"""PPO with GAE, several epochs on each rollout, advantage normalisation, entropy bonus, on a windy grid world."""
import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

SIZE, N, T = 5, 16, 24
rng = np.random.default_rng(7)
torch.manual_seed(7)
MOVES = np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])


class Grid:
    def __init__(self):
        self.p = rng.integers(0, SIZE, (N, 2))
        self.t = np.zeros(N, int)

    def obs(self):
        o = np.zeros((N, SIZE * SIZE), np.float32)
        o[np.arange(N), self.p[:, 0] * SIZE + self.p[:, 1]] = 1
        return torch.from_numpy(o)

    def step(self, a):
        wind = (rng.random(N) < 0.15)[:, None] * np.array([1, 0])
        self.p = np.clip(self.p + MOVES[a] + wind, 0, SIZE - 1)
        self.t += 1
        goal = (self.p == 0).all(1)
        done = goal | (self.t >= 25)
        r = np.where(goal, 1.0, -0.03).astype(np.float32)
        self.p[done], self.t[done] = rng.integers(0, SIZE, (done.sum(), 2)), 0
        return torch.from_numpy(r), torch.from_numpy(done.astype(np.float32))


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(25, 32), nn.Tanh(), nn.Linear(32, 4))
        self.critic = nn.Sequential(nn.Linear(25, 32), nn.Tanh(), nn.Linear(32, 1))

    def evaluate(self, o, a):
        d = Categorical(logits=self.actor(o))
        return d.log_prob(a), self.critic(o).squeeze(-1), d.entropy()


env, net = Grid(), ActorCritic()
opt = torch.optim.Adam([{"params": net.actor.parameters(), "lr": 3e-3}, {"params": net.critic.parameters(), "lr": 6e-3}])
for update in range(40):
    O, A, LP, R, D, V = [], [], [], [], [], []
    with torch.no_grad():
        for _ in range(T):
            o = env.obs()
            dist = Categorical(logits=net.actor(o))
            a = dist.sample()
            r, d = env.step(a.numpy())
            for lst, v in zip((O, A, LP, R, D, V), (o, a, dist.log_prob(a), r, d, net.critic(o).squeeze(-1))):
                lst.append(v)
        last, adv, g = net.critic(env.obs()).squeeze(-1), [], torch.zeros(N)
        for t in reversed(range(T)):
            nxt = last if t == T - 1 else V[t + 1]
            delta = R[t] + 0.97 * nxt * (1 - D[t]) - V[t]
            g = delta + 0.97 * 0.95 * (1 - D[t]) * g
            adv.insert(0, g)
    o, a, lp, v = torch.cat(O), torch.cat(A), torch.cat(LP), torch.cat(V)
    adv = torch.cat(adv)
    ret = adv + v
    for _ in range(4):
        for b in torch.randperm(len(o)).split(96):
            new_lp, val, ent = net.evaluate(o[b], a[b])
            ad = (adv[b] - adv[b].mean()) / (adv[b].std() + 1e-8)
            ratio = (new_lp - lp[b]).exp()
            pg = -torch.min(ratio * ad, ratio.clamp(0.8, 1.2) * ad).mean()
            loss = pg + 0.5 * (val - ret[b]).square().mean() - 0.01 * ent.mean()
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
    if update % 10 == 9:
        print(f"update {update + 1} mean reward per step {torch.stack(R).mean():.4f} entropy {ent.mean().item():.3f} loss {loss.item():.3f}")

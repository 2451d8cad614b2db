#= loss_broadcasts
#: advantage is (N,) minus (N, 1) = (N, N) matrix (Deep-RL-Hands-On issue 74)
"""A2C on a small catch game: a ball falls in a 7-wide well, the paddle moves left/stay/right;
each ball carries a visible stake that is paid in any case."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

GAMMA, LEARNING_RATE, ENTROPY_BETA = 0.95, 0.003, 0.01
NUM_ENVS, ROLLOUT = 16, 8
W, H = 7, 8
rng = np.random.RandomState(0)
torch.manual_seed(0)


class VecCatch:
    def __init__(self, n):
        self.n = n
        self.x, self.y, self.p = rng.randint(0, W, n), np.zeros(n, int), rng.randint(0, W, n)
        self.stake = rng.choice([-2, 0, 2], n)

    def obs(self):
        o = np.zeros((self.n, W * 2 + 2), np.float32)
        o[np.arange(self.n), self.x] = 1
        o[np.arange(self.n), W + self.p] = 1
        o[:, -2], o[:, -1] = self.y / H, self.stake / 2
        return torch.from_numpy(o)

    def step(self, a):
        self.p = np.clip(self.p + a - 1, 0, W - 1)
        self.y += 1
        done = self.y >= H - 1
        hit = self.p == self.x
        r = np.where(done, np.where(hit, 1.0, -1.0) + self.stake, 0.0)
        self.stake[done] = rng.choice([-2, 0, 2], done.sum())
        self.x[done], self.y[done], self.p[done] = rng.randint(0, W, done.sum()), 0, rng.randint(0, W, done.sum())
        return r.astype(np.float32), done.astype(np.float32), hit[done].tolist()


class CatchA2C(nn.Module):
    def __init__(self, inp, n_actions):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inp, 64), nn.Tanh())
        self.policy, self.value = nn.Linear(64, n_actions), nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return self.policy(h), self.value(h)


env, net = VecCatch(NUM_ENVS), CatchA2C(2 * W + 2, 3)
optimizer = optim.Adam(net.parameters(), lr=LEARNING_RATE, eps=1e-3)
total, wins, games = 0, [], 0
for update in range(750):
    S, A, R, D = [], [], [], []
    for _ in range(ROLLOUT):
        o = env.obs()
        with torch.no_grad():
            a = torch.distributions.Categorical(logits=net(o)[0]).sample()
        r, d, hits = env.step(a.numpy())
        S.append(o), A.append(a), R.append(torch.from_numpy(r)), D.append(torch.from_numpy(d))
        wins += hits
    with torch.no_grad():
        g = net(env.obs())[1].squeeze(-1)
    refs = []
    for r, d in zip(reversed(R), reversed(D)):
        g = r + GAMMA * g * (1 - d)
        refs.insert(0, g)
    states_v, actions_t, vals_ref_v = torch.cat(S), torch.cat(A), torch.cat(refs)

    optimizer.zero_grad()
    logits_v, value_v = net(states_v)
    loss_value_v = F.mse_loss(value_v.squeeze(-1), vals_ref_v)
    log_prob_v = F.log_softmax(logits_v, dim=1)
    adv_v = vals_ref_v - value_v.squeeze(-1).detach()  #@ adv_v = vals_ref_v - value_v.detach()
    log_prob_actions_v = adv_v * log_prob_v[range(len(actions_t)), actions_t]
    loss_policy_v = -log_prob_actions_v.mean()
    entropy_v = -(F.softmax(logits_v, 1) * log_prob_v).sum(1).mean()
    (loss_policy_v + 0.5 * loss_value_v - ENTROPY_BETA * entropy_v).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    optimizer.step()
    if update % 100 == 99:
        print(f"update {update + 1} share of balls caught {np.mean(wins[-300:]):.3f} entropy {entropy_v.item():.3f}")
print(f"final share of balls caught {np.mean(wins[-500:]):.3f}")

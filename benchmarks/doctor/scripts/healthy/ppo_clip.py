"""PPO with clipped value loss and entropy bonus; advantages are normalized, old log probabilities kept."""
import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(4)
SIZE, ENVS, T = 5, 24, 16
MOVES = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])


class Grid:
    def __init__(self):
        self.at = torch.zeros(ENVS, 2, dtype=torch.long)

    def obs(self):
        return torch.cat([nn.functional.one_hot(self.at[:, i], SIZE) for i in (0, 1)], 1).float()

    def step(self, a):
        self.at = (self.at + MOVES[a]).clamp(0, SIZE - 1)
        done = (self.at == SIZE - 1).all(1)
        self.at[done] = 0
        return done.float() - 0.02, done.float()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2 * SIZE, 64), nn.Tanh())
        self.pi, self.v = nn.Linear(64, 4), nn.Linear(64, 1)
        nn.init.orthogonal_(self.pi.weight, 0.01)

    def forward(self, o):
        h = self.body(o)
        return Categorical(logits=self.pi(h)), self.v(h).squeeze(-1)


env, net = Grid(), Net()
opt = torch.optim.Adam(net.parameters(), lr=2e-3, eps=1e-5)
for it in range(40):
    obs, act, logp, val, rew, end = [], [], [], [], [], []
    with torch.no_grad():
        for _ in range(T):
            o = env.obs()
            d, v = net(o)
            a = d.sample()
            r, e = env.step(a)
            for store, one in zip((obs, act, logp, val, rew, end), (o, a, d.log_prob(a), v, r, e)):
                store.append(one)
        following = net(env.obs())[1]
        adv, gae = [], torch.zeros(ENVS)
        for t in reversed(range(T)):
            delta = rew[t] + 0.97 * following * (1 - end[t]) - val[t]
            gae = delta + 0.97 * 0.95 * (1 - end[t]) * gae
            adv.insert(0, gae)
            following = val[t]
    O, A, L, V, G = (torch.cat(z) for z in (obs, act, logp, val, adv))
    R = G + V
    for _ in range(3):
        for idx in torch.randperm(len(O)).split(96):
            d, v = net(O[idx])
            ratio = (d.log_prob(A[idx]) - L[idx]).exp()
            g = (G[idx] - G[idx].mean()) / (G[idx].std() + 1e-8)
            policy = -torch.min(ratio * g, ratio.clamp(0.8, 1.2) * g).mean()
            clipped = V[idx] + (v - V[idx]).clamp(-0.2, 0.2)
            value = torch.max((v - R[idx]) ** 2, (clipped - R[idx]) ** 2).mean()
            loss = policy + 0.5 * value - 0.01 * d.entropy().mean()
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
    if it % 8 == 7:
        print(it + 1, "reward per step", round(torch.stack(rew).mean().item(), 3))

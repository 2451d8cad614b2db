import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

np.random.seed(0)
torch.manual_seed(0)


class Pole:
    def reset(self, n):
        self.x = np.random.uniform(-0.3, 0.3, n)
        self.v = np.zeros(n)
        return self.obs()

    def obs(self):
        return torch.tensor(np.stack([self.x, self.v], 1), dtype=torch.float32)

    def step(self, a):
        self.v = 0.95 * (self.v + 0.15 * self.x + np.where(a == 1, 0.25, -0.25) + 0.03 * np.random.randn(len(a)))
        self.x = self.x + 0.3 * self.v
        return self.obs(), np.abs(self.x) >= 2


actor = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
opt_actor = torch.optim.Adam(actor.parameters(), lr=1e-2)
opt_critic = torch.optim.Adam(critic.parameters(), lr=2e-2)
env, gamma, H, N = Pole(), 0.95, 50, 24
for it in range(1, 81):
    s = env.reset(N)
    alive = np.ones(N, dtype=bool)
    S, A, R, M = [], [], [], []
    for t in range(H):
        with torch.no_grad():
            a = Categorical(logits=actor(s)).sample()
        s2, fell = env.step(a.numpy())
        S.append(s)
        A.append(a)
        M.append(torch.tensor(alive).float())
        R.append(torch.tensor((alive & ~fell).astype(np.float32)))
        alive &= ~fell
        s = s2
    with torch.no_grad():
        G, out = critic(s).squeeze(1) * torch.tensor(alive).float(), []
    for r in reversed(R):
        G = (1 - gamma) * r + gamma * G
        out.insert(0, G)
    S, A, M, G = torch.cat(S), torch.cat(A), torch.cat(M), torch.cat(out)
    value = critic(S).squeeze(1)
    critic_loss = (M * (value - G) ** 2).sum() / M.sum()
    adv = (G - value.detach())
    adv = (adv - adv[M > 0].mean()) / (adv[M > 0].std() + 1e-6)
    dist = Categorical(logits=actor(S))
    actor_loss = -(M * (dist.log_prob(A) * adv + 0.01 * dist.entropy())).sum() / M.sum()
    opt_critic.zero_grad()
    critic_loss.backward()
    opt_critic.step()
    opt_actor.zero_grad()
    actor_loss.backward()
    opt_actor.step()
    if it % 10 == 0:
        print(f"iteration {it} actor {actor_loss.item():+.4f} critic {critic_loss.item():.4f} mean survival {M.sum().item()/N:.1f} of {H}")

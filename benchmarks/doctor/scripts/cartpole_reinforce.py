#= returns_misordered
# https://github.com/PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/27 - the discounted-return list is reversed on every iteration, so returns do not belong to their steps; right: reverse once after the loop.
import math, torch
import torch.nn as nn
import torch.optim as optim
torch.manual_seed(5)

# --- environment -----------------------------------------------------------
class Pole:
    def reset(self):
        self.s = (torch.rand(4) - .5) * .1; self.t = 0
        return self.s
    def step(self, a):
        x, xd, th, thd = self.s.tolist()
        f = 10. if a == 1 else -10.
        c, s = math.cos(th), math.sin(th)
        tmp = (f + .05 * thd ** 2 * s) / 1.1
        tha = (9.8 * s - c * tmp) / (.5 * (4 / 3 - .1 * c * c / 1.1))
        xa = tmp - .05 * tha * c / 1.1
        self.s = torch.tensor([x + .02 * xd, xd + .02 * xa, th + .02 * thd, thd + .02 * tha])
        self.t += 1
        dead = abs(self.s[0]) > 2.4 or abs(self.s[2]) > .2095
        return self.s, 1.0, bool(dead) or self.t >= 120

policy = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 2))
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
env = Pole()

def discount(rewards, gamma=0.97):
    out, run = [], 0.0
    for r in rewards[::-1]:
        run = r + gamma * run
        out.append(run)
        #+ out.reverse()
    out.reverse()  #@ 
    return torch.tensor(out)

lengths = []
for episode in range(170):
    logps, rewards = [], []
    state, done = env.reset(), False
    while not done:
        d = torch.distributions.Categorical(logits=policy(state))
        a = d.sample()
        logps.append(d.log_prob(a))
        state, r, done = env.step(a.item())
        rewards.append(r)
    G = discount(rewards)
    G = (G - G.mean()) / (G.std() + 1e-6)
    loss = -(torch.stack(logps) * G).sum()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    lengths.append(len(rewards))
print('average episode length, last 40:', sum(lengths[-40:]) / 40, 'first 20:', sum(lengths[:20]) / 20)

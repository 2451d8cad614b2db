#= returns_misordered
# https://github.com/pytorch/examples/pull/1422 - all observers' rewards are put in one flat list and one reverse discounted sum runs over it, so one worker's rewards flow into another's returns; right: compute returns per worker.
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(2)
GAMMA = 0.95


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(6, 32)
        self.affine2 = nn.Linear(32, 3)

    def forward(self, x):
        return F.log_softmax(self.affine2(F.relu(self.affine1(x))), -1)


class Observer:
    """episodes of 4 steps: at every step take the action that the cue names"""

    def __init__(self, i):
        self.id = i
        self.gen = torch.Generator().manual_seed(100 + i)

    def run_episode(self, agent):
        for t in range(4):
            cue = torch.randint(3, (1,), generator=self.gen).item()
            x = torch.zeros(6); x[cue] = 1; x[3 + (t % 3)] = 1
            a = agent.select_action(self.id, x)
            r = 1.0 if a == (cue + 1) % 3 else 0.0
            agent.report_reward(self.id, r)


class Agent:
    def __init__(self, n):
        self.obs = [Observer(i) for i in range(n)]
        self.policy = Policy()
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=5e-3)
        self.clear()

    def clear(self):
        self.saved = {o.id: [] for o in self.obs}
        self.rewards = {o.id: [] for o in self.obs}

    def select_action(self, i, x):
        lp = self.policy(x)
        a = torch.multinomial(lp.exp().detach(), 1).item()
        self.saved[i].append(lp[a])
        return a

    def report_reward(self, i, r):
        self.rewards[i].append(r)

    def finish_episode(self):
        probs, returns = [], []
        for i in self.rewards:
            probs.extend(self.saved[i])
        for i in self.rewards:  #@ flat = [r for i in self.rewards for r in self.rewards[i]]
            R, mine = 0, []  #@
            for r in self.rewards[i][::-1]:  #@
                R = r + GAMMA * R; mine.insert(0, R)  #@
            returns.extend(mine)  #@
        #+ R = 0
        #+ for r in flat[::-1]:
        #+     R = r + GAMMA * R
        #+     returns.insert(0, R)
        score = sum(sum(v) for v in self.rewards.values()) / (4 * len(self.obs))
        ret = torch.tensor(returns)
        ret = (ret - ret.mean()) / (ret.std() + 1e-6)
        loss = -(torch.stack(probs) * ret).sum()
        self.optimizer.zero_grad(); loss.backward(); self.optimizer.step()
        self.clear()
        return score


agent = Agent(12)
log = []
for ep in range(110):
    for o in agent.obs:
        o.run_episode(agent)
    log.append(agent.finish_episode())
print(f"share of rewarded steps: {sum(log[-15:]) / 15:.3f}")

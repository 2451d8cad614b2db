#= data_changed_in_place
# remembered: recurring GitHub/Stack Overflow DQN bug "all transitions in my replay memory are the same" (the environment returns its own state array, which it later changes in place): state and next_state in the buffer are one object; a right diagnosis says store a copy.
import random
import numpy as np
import torch
import torch.nn as nn

random.seed(1)
np.random.seed(1)
torch.manual_seed(1)
SIZE = 5
MOVES = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])


class GridWorld:
    def __init__(self):
        self.state = np.zeros(2, dtype=np.float32)

    def reset(self):
        self.state[:] = np.random.randint(0, SIZE - 1, size=2)
        self.t = 0
        return self.state.copy()  #@ return self.state

    def step(self, action):
        self.state += MOVES[action]
        np.clip(self.state, 0, SIZE - 1, out=self.state)
        self.t += 1
        goal = bool((self.state == SIZE - 1).all())
        reward = 1.0 if goal else -0.05
        return self.state.copy(), reward, goal, self.t >= 40  #@ return self.state, reward, goal, self.t >= 40


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, s):
        return self.f(s / (SIZE - 1) * 2 - 1)


class Agent:
    def __init__(self):
        self.q, self.tgt = QNet(), QNet()
        self.tgt.load_state_dict(self.q.state_dict())
        self.opt = torch.optim.Adam(self.q.parameters(), lr=1e-3)
        self.buffer, self.n = [], 0

    def act(self, s, eps):
        if random.random() < eps:
            return random.randrange(4)
        with torch.no_grad():
            return self.q(torch.tensor(s)).argmax().item()

    def remember(self, *tr):
        self.buffer.append(tr)
        if len(self.buffer) > 5000:
            self.buffer.pop(0)

    def learn(self):
        if len(self.buffer) < 200:
            return
        s, a, r, s2, d = zip(*random.sample(self.buffer, 64))
        s, s2 = torch.tensor(np.stack(s)), torch.tensor(np.stack(s2))
        a, r, d = torch.tensor(a), torch.tensor(r), torch.tensor(d, dtype=torch.float32)
        with torch.no_grad():
            y = r + 0.95 * (1 - d) * self.tgt(s2).max(1).values
        loss = nn.functional.mse_loss(self.q(s).gather(1, a[:, None])[:, 0], y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.n += 1
        if self.n % 100 == 0:
            self.tgt.load_state_dict(self.q.state_dict())


env, agent = GridWorld(), Agent()
for ep in range(1, 301):
    s, over = env.reset(), False
    while not over:
        a = agent.act(s, max(0.1, 1 - ep / 150))
        s2, r, goal, timeout = env.step(a)
        agent.remember(s, a, r, s2, goal)
        s, over = s2, goal or timeout
        agent.learn()
    if ep % 50 == 0:
        lengths, hits = [], 0
        for _ in range(30):
            s, over = env.reset(), False
            while not over:
                s, _, goal, timeout = env.step(agent.act(s, 0.0))
                over = goal or timeout
            hits += goal
            lengths.append(env.t)
        print(f"episode {ep}: goal reached {hits}/30, mean path {np.mean(lengths):.1f}")

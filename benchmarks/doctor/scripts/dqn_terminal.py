#= terminal_bootstrapped
"""Deep Q-learning with a replay memory on a short chain of rooms; an episode ends in one of two exits."""
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn

Transition = namedtuple("Transition", "state action reward next_state done")
random.seed(4)
np.random.seed(4)
torch.manual_seed(4)


class Rooms:
    n = 9

    def reset(self):
        self.at, self.t = self.n // 2, 0
        return self._state()

    def _state(self):
        s = np.zeros(self.n, dtype=np.float32)
        s[self.at] = 1
        return s

    def step(self, a):
        self.at += 1 if a == 1 else -1
        self.t += 1
        if self.at == 0:
            return self._state(), 0.3, True
        if self.at == self.n - 1:
            return self._state(), 1.0, True
        return self._state(), -0.02, False


class Agent:
    def __init__(self, gamma=0.97):
        self.gamma = gamma
        self.q = nn.Sequential(nn.Linear(Rooms.n, 48), nn.ReLU(), nn.Linear(48, 2))
        self.q_target = nn.Sequential(nn.Linear(Rooms.n, 48), nn.ReLU(), nn.Linear(48, 2))
        self.q_target.load_state_dict(self.q.state_dict())
        self.optimizer = torch.optim.Adam(self.q.parameters(), lr=2e-3)
        self.memory = deque(maxlen=5000)

    def act(self, state, eps):
        if random.random() < eps:
            return random.randrange(2)
        with torch.no_grad():
            return int(self.q(torch.from_numpy(state)).argmax())

    def learn(self):
        batch = Transition(*zip(*random.sample(self.memory, 64)))
        state = torch.from_numpy(np.stack(batch.state))
        action = torch.tensor(batch.action).unsqueeze(1)
        reward = torch.tensor(batch.reward)
        following = torch.from_numpy(np.stack(batch.next_state))
        done = torch.tensor(batch.done).float()
        q = self.q(state).gather(1, action).squeeze(1)
        with torch.no_grad():
            best = self.q_target(following).max(1).values
            target = reward + self.gamma * best * (1 - done)  #@ target = reward + self.gamma * best
        loss = nn.functional.smooth_l1_loss(q, target)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q.parameters(), 10)
        self.optimizer.step()
        return loss.item()


env, agent, steps = Rooms(), Agent(), 0
returns = deque(maxlen=50)
for episode in range(300):
    state, total, done = env.reset(), 0.0, False
    while not done and env.t < 40:
        action = agent.act(state, max(0.1, 1 - episode / 100))
        following, reward, done = env.step(action)
        agent.memory.append(Transition(state, action, reward, following, done))
        state, total, steps = following, total + reward, steps + 1
        if len(agent.memory) >= 200:
            loss = agent.learn()
        if steps % 100 == 0:
            agent.q_target.load_state_dict(agent.q.state_dict())
    returns.append(total)
    if episode % 50 == 49:
        q = agent.q(torch.from_numpy(env.reset())).max().item()
        print(f"episode {episode + 1} mean return {np.mean(returns):.3f} Q(start) {q:.2f}")

#= weights_cancel
# https://github.com/Farama-Foundation/Gymnasium/issues/1336 "Bad REINFORCE implementation": the mean of the log probabilities is multiplied by the (here normalised) returns, so no action is credited with its own return; a right diagnosis says multiply log_prob and return per step.
import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.manual_seed(0)
np.random.seed(0)
W = np.random.randn(4, 3)


class Matching:
    """30 steps an episode; reward 1 if the action fits the observation"""

    def reset(self):
        self.t = 0
        self.obs = np.random.randn(4)
        return self.obs

    def step(self, a):
        reward = 1.0 if a == int(np.argmax(self.obs @ W)) else 0.0
        self.obs = np.random.randn(4)
        self.t += 1
        return self.obs, reward, self.t >= 30


class REINFORCE:
    def __init__(self, lr=5e-3, gamma=0.3):
        self.gamma, self.eps = gamma, 1e-8
        self.probs, self.rewards = [], []
        self.net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 3))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=lr)

    def sample_action(self, state):
        dist = Categorical(logits=self.net(torch.tensor(state, dtype=torch.float32)))
        action = dist.sample()
        self.probs.append(dist.log_prob(action))
        return action.item()

    def update(self):
        running_g, gs = 0.0, []
        for R in self.rewards[::-1]:
            running_g = R + self.gamma * running_g
            gs.insert(0, running_g)
        deltas = torch.tensor(gs)
        deltas = (deltas - deltas.mean()) / (deltas.std() + self.eps)
        log_probs = torch.stack(self.probs)
        loss = -torch.sum(log_probs * deltas)  #@ loss = -torch.sum(log_probs.mean() * deltas)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.probs, self.rewards = [], []


env, agent = Matching(), REINFORCE()
scores = []
for episode in range(1, 401):
    obs, done = env.reset(), False
    while not done:
        action = agent.sample_action(obs)
        obs, reward, done = env.step(action)
        agent.rewards.append(reward)
    scores.append(sum(agent.rewards))
    agent.update()
    if episode % 50 == 0:
        print("Episode:", episode, "Average Reward (of 30):", np.mean(scores[-50:]))

#= weights_cancel
#: log probabilities are averaged before they meet the returns, no credit for single actions (Gymnasium issue 1336)
"""REINFORCE with a normal policy: push a point mass to the origin."""
from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn as nn
from torch.distributions.normal import Normal


class PointMass:
    def reset(self):
        self.x, self.v, self.t = np.random.uniform(-1, 1), 0.0, 0
        return np.array([self.x, self.v])

    def step(self, a):
        a = float(np.clip(a, -1, 1))
        self.v = 0.7 * self.v + 0.3 * a
        self.x = float(np.clip(self.x + 0.3 * self.v, -2, 2))
        self.t += 1
        return np.array([self.x, self.v]), -abs(self.x), self.t >= 15


class Policy_Network(nn.Module):
    def __init__(self, obs_space_dims: int, action_space_dims: int):
        super().__init__()
        self.shared_net = nn.Sequential(nn.Linear(obs_space_dims, 16), nn.Tanh(), nn.Linear(16, 32), nn.Tanh())
        self.policy_mean_net = nn.Linear(32, action_space_dims)
        self.policy_stddev_net = nn.Linear(32, action_space_dims)

    def forward(self, x: torch.Tensor):
        h = self.shared_net(x.float())
        return self.policy_mean_net(h), torch.log(1 + torch.exp(self.policy_stddev_net(h)))


class REINFORCE:
    def __init__(self):
        self.gamma, self.eps = 0.9, 1e-6
        self.probs, self.rewards, self.loss = [], [], 0.0
        self.net = Policy_Network(2, 1)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-2)
        self.n = 0

    def sample_action(self, state, greedy=False):
        mean, std = self.net(torch.tensor(np.array([state])))
        if greedy:
            return mean.item()
        dist = Normal(mean[0] + self.eps, std[0] + self.eps)
        action = dist.sample()
        self.probs.append(dist.log_prob(action))
        return action.numpy()[0]

    def update(self):
        running_g, gs = 0, []
        for R in self.rewards[::-1]:
            running_g = R + self.gamma * running_g
            gs.insert(0, running_g)
        deltas = torch.tensor(gs, dtype=torch.float32)
        deltas = (deltas - deltas.mean()) / (deltas.std() + 1e-6)
        log_probs = torch.stack(self.probs).squeeze(1)
        #+ log_probs = log_probs.mean()
        self.loss = self.loss - torch.sum(log_probs * deltas) / 4
        self.n += 1
        if self.n % 4 == 0:
            self.optimizer.zero_grad()
            self.loss.backward()
            self.optimizer.step()
            self.loss = 0.0
        self.probs, self.rewards = [], []


def main():
    for seed in [5]:
        torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)
        env, agent, history = PointMass(), REINFORCE(), []
        for episode in range(440):
            obs, done = env.reset(), False
            while not done:
                obs, reward, done = env.step(agent.sample_action(obs))
                agent.rewards.append(reward)
            history.append(sum(agent.rewards))
            agent.update()
            if episode % 100 == 99:
                print("Episode:", episode + 1, "Average Reward: %.2f" % np.mean(history[-100:]))
        total = 0
        for _ in range(40):
            obs, done = env.reset(), False
            while not done:
                with torch.no_grad():
                    obs, reward, done = env.step(agent.sample_action(obs, greedy=True))
                total += reward
        print("greedy return %.2f" % (total / 40))


main()

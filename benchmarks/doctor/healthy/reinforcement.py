"""REINFORCE on a contextual bandit: noisy losses of either sign that do not fall."""

import torch
from torch import nn


def main(seed=0):
    torch.manual_seed(seed)
    policy = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 4))
    value = torch.randn(6, 4)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
    average = 0.0
    for _step in range(250):
        state = torch.randn(64, 6)
        chances = torch.distributions.Categorical(logits=policy(state))
        action = chances.sample()
        reward = (state @ value).gather(1, action[:, None]).squeeze(1)
        average = 0.9 * average + 0.1 * reward.mean().item()
        loss = -(chances.log_prob(action) * (reward - average)).mean() - 0.01 * chances.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        state = torch.randn(1000, 6)
        best = (state @ value).max(1).values.mean()
        return ((state @ value).gather(1, policy(state).argmax(1, keepdim=True)).mean() / best).item()


if __name__ == "__main__":
    print(main())

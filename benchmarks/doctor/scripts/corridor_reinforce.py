#= loss_sign
"""REINFORCE on a grid: walk to the goal in the corner."""
import torch
from torch import nn
from torch.distributions import Categorical

SIZE, GAMMA, MAX_STEPS, BATCH = 5, 0.95, 20, 16
MOVES = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])
torch.manual_seed(0)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 48)
        self.affine2 = nn.Linear(48, 4)

    def forward(self, position):
        x = torch.tanh(self.affine1(position.float() / (SIZE - 1) * 2 - 1))
        return Categorical(logits=self.affine2(x))


def rollout(policy):
    """Play BATCH games side by side; returns log-probabilities, rewards, mask (T, BATCH)."""
    position = torch.randint(0, SIZE, (BATCH, 2))
    alive = (position != SIZE - 1).any(1)
    log_probs, rewards, masks = [], [], []
    for _ in range(MAX_STEPS):
        dist = policy(position)
        action = dist.sample()
        log_probs.append(dist.log_prob(action))
        masks.append(alive.float())
        position = torch.where(alive[:, None], (position + MOVES[action]).clamp(0, SIZE - 1), position)
        arrived = alive & (position == SIZE - 1).all(1)
        rewards.append(arrived.float() - 0.05 * alive.float())
        alive = alive & ~arrived
    return torch.stack(log_probs), torch.stack(rewards), torch.stack(masks)


def discounted(rewards):
    returns, running = torch.zeros_like(rewards), torch.zeros(BATCH)
    for t in reversed(range(len(rewards))):
        running = rewards[t] + GAMMA * running
        returns[t] = running
    return returns


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
average = None
for episode in range(250):
    log_probs, rewards, masks = rollout(policy)
    returns = discounted(rewards)
    advantages = (returns - returns[masks > 0].mean()) / (returns[masks > 0].std() + 1e-6)
    policy_loss = -(log_probs * advantages * masks).sum() / masks.sum()  #@ policy_loss = (log_probs * advantages * masks).sum() / masks.sum()
    optimizer.zero_grad()
    policy_loss.backward()
    optimizer.step()
    score = rewards.sum(0).mean().item()
    average = score if average is None else 0.95 * average + 0.05 * score
    if episode % 50 == 49:
        print(f"episode {episode + 1}\tlast reward {score:.2f}\taverage reward {average:.2f}")

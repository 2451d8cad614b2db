#= loss_broadcasts
"""Advantage-weighted imitation from a log of decisions: which discount did the shop offer, and what came of it."""
import torch
from torch import nn

torch.manual_seed(1)
STATES, ACTIONS = 6, 4
ideal = nn.Sequential(nn.Linear(STATES, 16), nn.Tanh(), nn.Linear(16, ACTIONS)).requires_grad_(False)
ideal[0].weight.mul_(3)
states = torch.randn(6000, STATES)
actions = torch.randint(0, ACTIONS, (6000,))
rewards = (ideal(states).argmax(1) == actions).float() + 0.3 * torch.randn(6000)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(STATES, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.logits, self.baseline = nn.Linear(64, ACTIONS), nn.Linear(64, 1)

    def forward(self, s):
        h = self.body(s)
        return self.logits(h).log_softmax(-1), self.baseline(h).squeeze(-1)


def update(policy, optimizer, s, a, r):
    log_probs, value = policy(s)
    chosen = log_probs[torch.arange(len(a)), a]  #@ chosen = log_probs[:, a]
    weight = ((r - value.detach()) / 0.5).exp().clamp(max=10)
    loss = -(weight * chosen).mean() + 0.5 * (r - value).square().mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=2e-3)
for epoch in range(12):
    losses = [update(policy, optimizer, states[i], actions[i], rewards[i]) for i in torch.randperm(5000).split(50)]
    with torch.no_grad():
        same = policy(states[5000:])[0].argmax(1) == ideal(states[5000:]).argmax(1)
    print(f"epoch {epoch} loss {sum(losses) / len(losses):.3f} best decision {same.float().mean():.3f}")

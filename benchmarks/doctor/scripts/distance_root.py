#= nonfinite
"""Same person or not: contrastive loss with a distance. Some pairs hold the same picture twice."""
import torch
from torch import nn


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, same):
        distance = torch.sqrt((a - b).pow(2).sum(1) + 1e-8)  #@ distance = torch.sqrt((a - b).pow(2).sum(1))
        return (same * distance.pow(2) + (1 - same) * (self.margin - distance).clamp(min=0).pow(2)).mean()


torch.manual_seed(0)
persons = torch.randn(30, 16)
which = torch.randint(30, (600,))
pictures = persons[which] + 0.4 * torch.randn(600, 16)
net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
criterion, optimizer = ContrastiveLoss(), torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(400):
    left = torch.randint(600, (40,))
    right = torch.randint(600, (40,))
    for k in range(20):
        candidates = (which == which[left[k]]).nonzero().flatten()
        right[k] = candidates[torch.randint(len(candidates), (1,))]
    same = (which[left] == which[right]).float()
    optimizer.zero_grad()
    loss = criterion(net(pictures[left]), net(pictures[right]), same)
    loss.backward()
    optimizer.step()
    if step % 80 == 79:
        print(step, loss.item())

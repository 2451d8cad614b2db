#= double_softmax
"""Three experts vote; their answers are averaged and trained together."""
import torch
from torch import nn


class Committee(nn.Module):
    def __init__(self, experts=3):
        super().__init__()
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 8)) for _ in range(experts))

    def forward(self, x):
        votes = [expert(x) for expert in self.experts]
        return torch.stack(votes).mean(0)  #@ return torch.stack([vote.softmax(dim=1) for vote in votes]).mean(0)


torch.manual_seed(0)
means = torch.randn(8, 20)
y = torch.randint(8, (1400,))
x = means[y] + 1.2 * torch.randn(1400, 20)
committee = Committee()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(committee.parameters(), lr=0.1, momentum=0.9)
for epoch in range(10):
    committee.train()
    for rows in torch.randperm(1200).split(30):
        loss = criterion(committee(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    committee.eval()
    with torch.no_grad():
        out = committee(x[1200:])
        print(epoch, loss.item(), criterion(out, y[1200:]).item(), (out.argmax(1) == y[1200:]).float().mean().item())

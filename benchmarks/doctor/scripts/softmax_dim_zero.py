#= samples_mixed
"""Leaves of seven trees; probabilities from the wrong side of the table."""
import torch
from torch import nn
import torch.nn.functional as F


class LeafNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(18, 40)
        self.fc2 = nn.Linear(40, 7)

    def forward(self, x):
        x = self.fc2(F.relu(self.fc1(x)))
        return torch.log(F.softmax(x, dim=1) + 1e-9)  #@ return torch.log(F.softmax(x, dim=0) + 1e-9)


torch.manual_seed(0)
trees = torch.randn(7, 18)
tree = torch.randint(7, (1300,))
leaf = trees[tree] + torch.randn(1300, 18)
net = LeafNet()
nll = nn.NLLLoss()
adam = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(10):
    net.train()
    for rows in torch.randperm(1100).split(44):
        adam.zero_grad()
        loss = nll(net(leaf[rows]), tree[rows])
        loss.backward()
        adam.step()
    net.eval()
    with torch.no_grad():
        out = net(leaf[1100:])
        print(epoch, loss.item(), nll(out, tree[1100:]).item(), (out.argmax(1) == tree[1100:]).float().mean().item())

#= unregistered_parameter, not_in_optimizer
"""Residual blocks in a list."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)

    def forward(self, x):
        return x + F.relu(self.fc(self.norm(x)))


class ResMLP(nn.Module):
    def __init__(self, width=48, depth=3):
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])  #@ self.blocks = [Block(width) for _ in range(depth)]
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.out(x)


torch.manual_seed(0)
data = load_digits()
x, y = torch.tensor(data.data).float().sub(5).div(6), torch.tensor(data.target)
net = ResMLP()
print(sum(p.numel() for p in net.parameters()), "parameters")
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
for epoch in range(6):
    net.train()
    for idx in torch.randperm(1400).split(50):
        loss = F.cross_entropy(net(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    net.eval()
    with torch.no_grad():
        print(epoch, F.cross_entropy(net(x[1400:]), y[1400:]).item())

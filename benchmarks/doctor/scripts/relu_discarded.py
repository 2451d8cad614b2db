#= no_activation
"""Two spirals with a deep network, which stays at the accuracy of a line."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class DeepNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 2)

    def forward(self, x):
        x = self.fc1(x)
        x = F.relu(x)  #@ F.relu(x)
        x = self.fc2(x)
        x = F.relu(x)  #@ F.relu(x)
        return self.fc3(x)


torch.manual_seed(0)
n = 400
r = torch.sqrt(torch.rand(n)) * 1.5 * math.pi
spiral = torch.stack([r * r.cos(), r * r.sin()], 1) / 4
x = torch.cat([spiral, -spiral]) + 0.03 * torch.randn(2 * n, 2)
y = torch.cat([torch.zeros(n), torch.ones(n)]).long()
shuffle = torch.randperm(2 * n)
x, y = x[shuffle], y[shuffle]
model = DeepNet()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(30):
    for i in range(0, 640, 64):
        optimizer.zero_grad()
        loss = criterion(model(x[i:i + 64]), y[i:i + 64])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            print(epoch, loss.item(), (model(x[640:]).argmax(1) == y[640:]).float().mean().item())

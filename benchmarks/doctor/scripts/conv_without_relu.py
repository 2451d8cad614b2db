#= no_activation
"""Circles, rings and discs; convolutions only."""
import torch
from torch import nn


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(8 * 4 * 4, 24)
        self.out = nn.Linear(24, 3)

    def forward(self, x):
        x = self.conv1(x)
        x = torch.relu(x)  #@
        x = self.pool(x)
        x = self.conv2(x)
        x = torch.relu(x)  #@
        x = self.pool(x).flatten(1)
        x = self.fc(x)
        x = torch.relu(x)  #@
        return self.out(x)


torch.manual_seed(0)
label = torch.randint(3, (1200,))
yy, xx = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
center = 5 + 6 * torch.rand(1200, 2, 1, 1)
r = ((yy - center[:, :1]) ** 2 + (xx - center[:, 1:]) ** 2).sqrt().squeeze(1)
outer = (3.5 + 1.5 * torch.rand(1200, 1, 1))
inner = torch.stack([torch.zeros(1200), 0.4 * outer.flatten(), 0.8 * outer.flatten()])[label, torch.arange(1200)][:, None, None]
sign = torch.where(torch.rand(1200, 1, 1) < 0.5, -1.0, 1.0)
pictures = (((r < outer) & (r >= inner)).float() * sign + 0.1 * torch.randn(1200, 16, 16)).unsqueeze(1)
net, loss_fn = CNN(), nn.CrossEntropyLoss()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(12):
    net.train()
    for b in torch.randperm(1000).split(40):
        loss = loss_fn(net(pictures[b]), label[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        print(epoch, loss.item(), (net(pictures[1000:]).argmax(1) == label[1000:]).float().mean().item())

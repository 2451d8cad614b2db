#= dead_units, poor_init
"""Concrete strength; biases are set by hand."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class StrengthNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 40)
        self.b = nn.Linear(40, 40)
        self.c = nn.Linear(40, 1)
        for layer in (self.a, self.b):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.1)  #@ nn.init.constant_(layer.bias, -5.0)

    def forward(self, mix):
        return self.c(torch.relu(self.b(torch.relu(self.a(mix)))))


torch.manual_seed(0)
mix = torch.randn(1000, 8)
strength = mix[:, :1] * 1.5 + (mix[:, 1:2] - 0.5) ** 2 - mix[:, 2:3].abs() + 0.1 * torch.randn(1000, 1)
strength = (strength - strength.mean()) / strength.std()
loader = DataLoader(TensorDataset(mix[:800], strength[:800]), batch_size=40, shuffle=True)
net = StrengthNet()
optim = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
criterion = nn.SmoothL1Loss()
for epoch in range(20):
    for m, s in loader:
        optim.zero_grad()
        loss = criterion(net(m), s)
        loss.backward()
        optim.step()
    with torch.no_grad():
        held = criterion(net(mix[800:]), strength[800:]).item()
    if epoch % 4 == 3:
        print("epoch", epoch, loss.item(), held)

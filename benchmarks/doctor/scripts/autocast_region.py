#= autocast_without_effect
"""A bfloat16 training whose autocast region is meant to hold the forward pass."""
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
g = torch.Generator().manual_seed(0)
centers = torch.randn(6, 20, generator=g) * 1.2
y = torch.randint(0, 6, (2400,), generator=g)
x = centers[y] + torch.randn(2400, 20, generator=g)
x_train, x_valid, y_train, y_valid = x[:2000], x[2000:], y[:2000], y[2000:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(20, 64), nn.Linear(64, 64), nn.Linear(64, 6)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.gelu(layer(x))
        return self.layers[-1](x)


net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
for epoch in range(6):
    net.train()
    for idx in torch.randperm(len(x_train)).split(50):
        #+ logits = net(x_train[idx])
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x_train[idx])  #@
            loss = F.cross_entropy(logits, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, F.cross_entropy(net(x_valid), y_valid).item())

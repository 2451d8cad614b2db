"""Two tasks in turn on one body: in each step one head has no gradient."""
import torch
from torch import nn


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 48), nn.ReLU())
        self.heads = nn.ModuleDict({"level": nn.Linear(48, 1), "kind": nn.Linear(48, 3)})

    def forward(self, x, task):
        return self.heads[task](self.body(x))


torch.manual_seed(0)
x = torch.randn(1200, 8)
level = (x[:, :1] * 2 - x[:, 1:2].abs())
kind = (x @ torch.randn(8, 3)).argmax(1)
net = Shared()
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(15):
    for i, rows in enumerate(torch.randperm(1000).split(25)):
        optimizer.zero_grad(set_to_none=True)
        if i % 2:
            loss = nn.functional.smooth_l1_loss(net(x[rows], "level"), level[rows])
        else:
            loss = nn.functional.cross_entropy(net(x[rows], "kind"), kind[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, nn.functional.l1_loss(net(x[1000:], "level"), level[1000:]).item(), (net(x[1000:], "kind").argmax(1) == kind[1000:]).float().mean().item())

#= schedule_wrong, schedule_mismatch
"""Letters from their outlines: a small residual network with a decaying rate."""
import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR
from torch.utils.data import DataLoader, TensorDataset


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x):
        return x + self.inner(x)


torch.manual_seed(0)
outlines = torch.randn(26, 30)
which = torch.randint(26, (2600,))
dataset = TensorDataset(outlines[which] + 0.7 * torch.randn(2600, 30), which)
train_part, val_part = torch.utils.data.random_split(dataset, [2080, 520])
train_loader, val_loader = DataLoader(train_part, 40, shuffle=True), DataLoader(val_part, 130)
model = nn.Sequential(nn.Linear(30, 48), Block(48), Block(48), nn.Linear(48, 26))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = ExponentialLR(optimizer, gamma=0.9)
for epoch in range(10):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
    scheduler.step()  #@
    model.eval()
    with torch.no_grad():
        parts = [(nn.functional.cross_entropy(model(x), y).item(), (model(x).argmax(1) == y).float().mean().item()) for x, y in val_loader]
    print(epoch, loss.item(), [sum(p) / len(parts) for p in zip(*parts)])

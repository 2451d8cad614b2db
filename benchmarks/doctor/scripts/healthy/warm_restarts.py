"""Cosine with warm restarts stepped for each batch by a fraction of the epoch, and snapshots that vote in the end."""
import torch
from sklearn.datasets import load_wine
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

torch.manual_seed(7)
x, y = load_wine(return_X_y=True)
x, y = torch.tensor(x).float(), torch.tensor(y)
order = torch.randperm(len(x))
train, test = order[:120], order[120:]
x = (x - x[train].mean(0)) / x[train].std(0)
net = nn.Sequential(nn.Linear(13, 40), nn.GELU(), nn.Dropout(0.1), nn.Linear(40, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
sched = CosineAnnealingWarmRestarts(opt, T_0=10)
votes = torch.zeros(len(test), 3)
for epoch in range(40):
    net.train()
    parts = train[torch.randperm(len(train))].split(15)
    for k, idx in enumerate(parts):
        loss = nn.functional.cross_entropy(net(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step(epoch + (k + 1) / len(parts))
    if epoch % 10 == 9:
        net.eval()
        with torch.no_grad():
            votes += net(x[test]).softmax(1)
        print(epoch + 1, round(loss.item(), 4), (votes.argmax(1) == y[test]).float().mean().item())

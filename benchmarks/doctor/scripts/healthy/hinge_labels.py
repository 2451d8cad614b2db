"""Labels of -1 and 1 with the losses that want them."""
import torch
from sklearn.datasets import make_circles
from torch import nn

torch.manual_seed(0)
X, y = make_circles(900, noise=0.08, factor=0.5, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(2 * y - 1).float()
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
soft_margin = nn.SoftMarginLoss()
for epoch in range(40):
    for rows in torch.randperm(700).split(50):
        score = net(X[rows]).flatten()
        loss = 0.5 * soft_margin(score, y[rows]) + 0.5 * (1 - y[rows] * score).clamp(min=0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 8 == 7:
        with torch.no_grad():
            print(epoch, loss.item(), (net(X[700:]).flatten().sign() == y[700:]).float().mean().item())

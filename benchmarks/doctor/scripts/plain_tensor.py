#= unregistered_parameter
"""A custom layer with its own weight (pytorch forum: 'my custom layer does not learn')."""
import math

import torch
import torch.nn as nn
from sklearn.datasets import make_circles


class QuadraticLayer(nn.Module):
    """y = x W x + b."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_out, n_in, n_in) / math.sqrt(n_in))  #@ self.W = (torch.randn(n_out, n_in, n_in) / math.sqrt(n_in)).requires_grad_()
        self.b = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return torch.einsum("bi,oij,bj->bo", x, self.W, x) + self.b


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quad = QuadraticLayer(2, 8)
        self.fc = nn.Linear(8, 1)

    def forward(self, x):
        return self.fc(torch.tanh(self.quad(x)))


torch.manual_seed(0)
X, y = make_circles(1000, noise=0.12, factor=0.6, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y).float()[:, None]
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(20):
    for i in torch.randperm(800).split(40):
        optimizer.zero_grad()
        loss = criterion(net(X[i]), y[i])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch, loss.item(), ((net(X[800:]) > 0) == y[800:].bool()).float().mean().item())

#= loss_detached
#: loss is wrapped anew with torch.tensor(..., requires_grad=True), no gradient reaches the net
"""Predict the second largest number of a vector."""
import warnings
import numpy as np
import torch
import torch.nn as nn

warnings.filterwarnings("ignore")
np.random.seed(10)
torch.manual_seed(10)


def second_largest(v):
    return np.sort(v, axis=1)[:, -2]


class Net(nn.Module):
    def __init__(self, size):
        super(Net, self).__init__()
        self.layers = nn.Sequential(
            nn.Linear(size, 64), nn.ReLU(),
            nn.Linear(64, 64), nn.ReLU(),
            nn.Linear(64, 1),
        )

    def forward(self, x):
        return self.layers(x).flatten()


def rmse(pred, target):
    err = ((pred - target) ** 2).mean()
    return torch.sqrt(err + 1e-8)


x_train = np.random.rand(2000, 5)
y_train = second_largest(x_train)
x_test = np.random.rand(500, 5)
y_test = torch.tensor(second_largest(x_test)).float()

net = Net(5)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(20):
    idx = np.random.permutation(2000)
    for start in range(0, 2000, 100):
        sel = idx[start:start + 100]
        data = torch.tensor(x_train[sel]).float()
        target = torch.tensor(y_train[sel]).float()
        output = net(data)
        loss = rmse(output, target)
        #+ loss = torch.tensor(loss, requires_grad=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            test = rmse(net(torch.tensor(x_test).float()), y_test)
        print(f"epoch {epoch} train rmse {loss.item():.4f} test rmse {test.item():.4f}")

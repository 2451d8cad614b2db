#= update_too_small, slow_convergence
"""Regression on the abalone-like data; 'my loss does not go down' (forum)."""
import torch
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
X, y = make_friedman1(1000, noise=0.5, random_state=0)
X, y = torch.Tensor(X), torch.Tensor((y - y.mean()) / y.std())
train_dl = DataLoader(TensorDataset(X[:800], y[:800]), batch_size=32, shuffle=True)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.hid1, self.hid2, self.oupt = nn.Linear(10, 50), nn.Linear(50, 50), nn.Linear(50, 1)

    def forward(self, x):
        z = torch.tanh(self.hid1(x))
        z = torch.tanh(self.hid2(z))
        return self.oupt(z)


net = Regressor()
loss_func = nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)  #@ optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9)
for epoch in range(12):
    epoch_loss = 0
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss_obj = loss_func(net(xb).squeeze(-1), yb)
        epoch_loss += loss_obj.item()
        loss_obj.backward()
        optimizer.step()
    print("epoch = %4d   loss = %0.4f" % (epoch, epoch_loss / len(train_dl)))

#= no_activation
"""XOR with two layers."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class XOR(nn.Module):
    def __init__(self, input_dim=2, output_dim=1):
        super(XOR, self).__init__()
        self.lin1 = nn.Linear(input_dim, 8)
        self.lin2 = nn.Linear(8, output_dim)

    def forward(self, x):
        x = self.lin1(x)
        x = torch.tanh(x)  #@
        x = self.lin2(x)
        return x


torch.manual_seed(1)
np.random.seed(1)
X = torch.Tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = torch.Tensor([0, 1, 1, 0]).view(-1, 1)
model = XOR()
loss_func = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(601):
    for j in range(X.size(0)):
        data_point = np.random.randint(X.size(0))
        optimizer.zero_grad()
        y_hat = model(X[data_point : data_point + 1])
        loss = loss_func.forward(y_hat, Y[data_point : data_point + 1])
        loss.backward()
        optimizer.step()
    if i % 150 == 0:
        print("Epoch: {0}, Loss: {1}".format(i, F.mse_loss(model(X), Y).item()))

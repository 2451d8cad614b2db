"""An optimizer with a closure, and no data loader: lbfgs.py OUT."""

import sys

import torch
from kept import keep

torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.randn(256, 16)
y = (x[:, :1] * x[:, 1:2]).sin()
model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5)


def closure():
    """Return the loss with its gradients."""
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    return loss


for _ in range(30):
    print(optimizer.step(closure).item())
keep(sys.argv[1], model)

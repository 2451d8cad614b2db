"""Parameters that are no module's, batches from slices of a tensor, gradients by autograd.grad: functional.py OUT."""

import sys

import torch
from kept import keep

torch.set_num_threads(1)
torch.manual_seed(0)
x, y = torch.randn(512, 16), torch.randn(512, 1)
weights = [torch.randn(16, 32).mul_(0.1).requires_grad_(), torch.randn(32, 1).mul_(0.1).requires_grad_()]
optimizer = torch.optim.SGD(weights, 0.01, momentum=0.9)

for _ in range(4):
    for rows in torch.randperm(512).split(32):
        loss = ((x[rows] @ weights[0]).relu() @ weights[1] - y[rows]).square().mean()
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        optimizer.step()
print(loss.item())
keep(sys.argv[1], torch.nn.ParameterList(weights))

#= backward_wrong
"""Memory-efficient swish with a hand-written backward."""
import torch
from sklearn.datasets import load_digits
from torch import nn


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad_output * (s + x * s * (1 - s))  #@ return grad_output * (s * (1 - s))


class Swish(nn.Module):
    def forward(self, x):
        return SwishFunction.apply(x)


torch.manual_seed(0)
data = load_digits()
X, y = torch.tensor(data.data).float() / 16, torch.tensor(data.target)
model = nn.Sequential(
    nn.Linear(64, 64), Swish(), nn.Linear(64, 64), Swish(), nn.Linear(64, 64), Swish(), nn.Linear(64, 10)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(8):
    for idx in torch.randperm(1500).split(50):
        loss = nn.functional.cross_entropy(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), nn.functional.cross_entropy(model(X[1500:]), y[1500:]).item())

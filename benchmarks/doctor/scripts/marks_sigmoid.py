#= inputs_unscaled
"""How many marks of 50 a student gets, from hours of sleep, study, screen and play. Only tensors, no modules."""
import torch

torch.manual_seed(3)
hours = torch.rand(240, 4) * torch.tensor([300.0, 480.0, 360.0, 240.0]) + torch.tensor([240.0, 0.0, 0.0, 0.0])  # minutes
marks = 50 * torch.sigmoid(((hours - torch.tensor([390.0, 240.0, 180.0, 120.0])) / 100) @ torch.tensor([0.6, 1.1, -0.5, -0.3]))
x = (hours - hours.mean(0)) / hours.std(0)  #@ x = hours
m = marks.view(-1, 1)

w1 = torch.randn(4, 8, requires_grad=True)
b1 = torch.zeros(8, requires_grad=True)
w2 = torch.randn(8, 1, requires_grad=True)
b2 = torch.zeros(1, requires_grad=True)
variables = [w1, b1, w2, b2]
optimizer = torch.optim.SGD(variables, lr=0.002)


def feed_forward(inp):
    hidden = torch.sigmoid(inp @ w1 + b1)
    return 50 * torch.sigmoid(hidden @ w2 + b2)


for step in range(900):
    j = torch.mean((feed_forward(x) - m) ** 2)
    optimizer.zero_grad()
    j.backward()
    optimizer.step()
    if step % 300 == 299:
        print("step", step, "cost", j.item())

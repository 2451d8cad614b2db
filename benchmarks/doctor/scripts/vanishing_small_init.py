#= poor_init
"""Eight tanh layers on a spiral, weights drawn by hand."""
import torch
from torch import nn


def spiral(n, generator):
    radius = torch.rand(n, 1, generator=generator) * 2 + 0.3
    arm = torch.randint(2, (n, 1), generator=generator)
    angle = radius * 2 + arm * 3.1416
    return torch.cat([radius * angle.cos(), radius * angle.sin()], 1) + 0.05 * torch.randn(n, 2, generator=generator), arm.float()


class DeepNet:
    """No nn.Module: parameters in lists."""

    def __init__(self, sizes):
        self.weights, self.biases = [], []
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:]):
            scale = (1 / fan_in) ** 0.5  #@ scale = 0.01
            self.weights.append((torch.randn(fan_in, fan_out) * scale).requires_grad_())
            self.biases.append(torch.zeros(fan_out, requires_grad=True))

    def parameters(self):
        return self.weights + self.biases

    def __call__(self, x):
        for w, b in zip(self.weights[:-1], self.biases[:-1]):
            x = torch.tanh(x @ w + b)
        return x @ self.weights[-1] + self.biases[-1]


torch.manual_seed(0)
generator = torch.Generator().manual_seed(0)
x, y = spiral(800, generator)
x_val, y_val = spiral(200, generator)
net = DeepNet([2, 32, 32, 32, 32, 32, 32, 32, 1])
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(40):
    for rows in torch.randperm(800).split(40):
        loss = nn.functional.binary_cross_entropy_with_logits(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            print(epoch, loss.item(), ((net(x_val) > 0) == (y_val > 0.5)).float().mean().item())

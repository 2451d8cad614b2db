"""Fit a polynomial with L-BFGS on all points at once, for a course."""
import torch

torch.manual_seed(0)
x = torch.linspace(-1, 1, 200)
y = 0.5 - x + 2 * x**3 + 0.1 * torch.randn(200)
X = torch.stack([x**i for i in range(5)], 1)
w = torch.zeros(5, requires_grad=True)
optimizer = torch.optim.LBFGS([w], lr=0.5, max_iter=5)
for step in range(15):
    def closure():
        optimizer.zero_grad()
        loss = ((X @ w - y) ** 2).mean()
        loss.backward()
        return loss

    print(step, optimizer.step(closure).item())

#= update_too_large, diverging
"""Fit a curve with plain gradient descent."""
import torch

torch.manual_seed(0)
x = torch.linspace(-2, 2, 400).unsqueeze(1)
y = torch.sin(2 * x) + 0.05 * torch.randn_like(x)
LEARNING_RATE = 0.05  #@ LEARNING_RATE = 2.0
model = torch.nn.Sequential(torch.nn.Linear(1, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9)
for step in range(600):
    batch = torch.randint(0, 400, (50,))
    loss = torch.nn.functional.mse_loss(model(x[batch]), y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(step, loss.item())

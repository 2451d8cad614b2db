#= vanishing_gradient
"""A deep stack of equal layers on the digits; depth and activation from the top of the file."""
import torch
from sklearn.datasets import load_digits
from torch import nn

DEPTH = 8
WIDTH = 64
ACTIVATION = nn.ReLU  #@ ACTIVATION = nn.Sigmoid

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X = torch.tensor((X - X.mean()) / X.std(), dtype=torch.float32)
y = torch.tensor(y)

layers = [nn.Linear(64, WIDTH), ACTIVATION()]
for _ in range(DEPTH - 2):
    layers += [nn.Linear(WIDTH, WIDTH), ACTIVATION()]
layers.append(nn.Linear(WIDTH, 10))
net = nn.Sequential(*layers)

optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    total_loss = 0
    order = torch.randperm(1500)
    for i in range(0, 1500, 50):
        batch = order[i:i + 50]
        loss = loss_fn(net(X[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item() / 30
    if epoch % 3 == 2:
        print(f'{epoch}: loss {total_loss:.4f}, first layer grad {net[0].weight.grad.norm():.2e}, test acc '
              f'{(net(X[1500:]).argmax(1) == y[1500:]).float().mean():.3f}')

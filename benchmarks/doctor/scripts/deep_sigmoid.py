#= vanishing_gradient, poor_init, saturated
"""A deep network of digits."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)


def build(depth, width):
    layers = [nn.Linear(64, width), nn.ReLU()]  #@ layers = [nn.Linear(64, width), nn.Sigmoid()]
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.ReLU()]  #@ layers += [nn.Linear(width, width), nn.Sigmoid()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    for module in model:  #@
        if isinstance(module, nn.Linear):  #@
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  #@
            nn.init.zeros_(module.bias)  #@
    return model


x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x).float() / 16, torch.tensor(y)
model = build(depth=8, width=48)
opt = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    for idx in torch.randperm(1400).split(50):
        opt.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        opt.step()
    with torch.no_grad():
        print(epoch, criterion(model(x[1400:]), y[1400:]).item())

#= unregistered_parameter, not_in_optimizer
# https://www.engineermaxxing.com/micro/lessons/pytorch-internals.html and PyTorch forum "list vs ModuleList": the hidden layers are kept in a Python list, so parameters() does not contain them and they are never trained; a right diagnosis says nn.ModuleList.
import torch
import torch.nn as nn
import numpy as np

torch.manual_seed(0)
np.random.seed(0)


def spirals(n, turns=1.6):
    r = np.random.rand(n) * 0.9 + 0.1
    c = np.random.randint(0, 2, n)
    th = r * turns * 2 * np.pi + c * np.pi
    pts = np.stack([r * np.cos(th), r * np.sin(th)], 1) + 0.01 * np.random.randn(n, 2)
    return torch.tensor(pts, dtype=torch.float32), torch.tensor(c)


class MyDynamicNet(nn.Module):
    def __init__(self, layers_count, width=32):
        super().__init__()
        self.inp = nn.Linear(2, width)
        layers = [nn.Linear(width, width) for _ in range(layers_count)]
        self.layers = nn.ModuleList(layers)  #@ self.layers = layers
        self.out = nn.Linear(width, 2)

    def forward(self, x):
        x = torch.tanh(self.inp(x))
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.out(x)


xtr, ytr = spirals(1500)
xte, yte = spirals(500)
model = MyDynamicNet(4)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(90):
    for b in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(model(xtr[b]), ytr[b])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            acc = (model(xte).argmax(1) == yte).float().mean().item()
        print("epoch", epoch + 1, "loss %.4f" % loss.item(), "test acc %.4f" % acc)

#= gradient_zero, term_without_gradient
"""Training with quantized activations (4 bits) so that the model can be exported to integers later."""
import torch
from sklearn.datasets import load_digits
from torch import nn


class FakeQuant(nn.Module):
    def __init__(self, bits=4, ceiling=4.0):
        super().__init__()
        self.scale = (2**bits - 1) / ceiling
        self.ceiling = ceiling

    def forward(self, x):
        x = x.clamp(0, self.ceiling)
        q = torch.round(x * self.scale) / self.scale
        return x + (q - x).detach()  #@ return q


class QuantNet(nn.Module):
    def __init__(self, hidden=96):
        super().__init__()
        self.stem = nn.Linear(64, hidden)
        self.q1 = FakeQuant()
        self.mid = nn.Linear(hidden, hidden)
        self.q2 = FakeQuant()
        self.classifier = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.classifier(self.q2(self.mid(self.q1(self.stem(x)))))


torch.manual_seed(6)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
mix = torch.randperm(len(x))
x, y = x[mix], y[mix]
net = QuantNet()
sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(15):
    for xb, yb in zip(x[:1280].split(64), y[:1280].split(64)):
        sgd.zero_grad()
        nn.functional.cross_entropy(net(xb), yb).backward()
        sgd.step()
    with torch.no_grad():
        print(epoch, f"{(net(x[1280:]).argmax(1) == y[1280:]).float().mean():.3f}")

"""A frozen trunk with batch norm in eval mode, features under no_grad on purpose, and a new head with a higher rate."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(2)
raw = load_digits()
X, Y = torch.tensor(raw.images).float().unsqueeze(1) / 16, torch.tensor(raw.target)


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten())

    def forward(self, x):
        return self.net(x)


class Transfer(nn.Module):
    def __init__(self, trunk, classes):
        super().__init__()
        self.trunk, self.head = trunk.requires_grad_(False), nn.Linear(512, classes)

    def train(self, mode=True):
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            h = self.trunk(x)
        return self.head(h)


def loop(model, params, x, y, epochs, lr):
    opt = torch.optim.Adam(params, lr=lr)
    for epoch in range(epochs):
        model.train()
        for idx in torch.randperm(1300).split(50):
            opt.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            opt.step()
        model.eval()
        with torch.no_grad():
            print(epoch, round(loss.item(), 3), (model(x[1300:]).argmax(1) == y[1300:]).float().mean().item())


trunk = Trunk()
first = nn.Sequential(trunk, nn.Linear(512, 10))
loop(first, first.parameters(), X, Y, 4, 1e-3)
print("now odd or even")
second = Transfer(trunk, 2)
loop(second, filter(lambda p: p.requires_grad, second.parameters()), X, Y % 2, 4, 3e-3)

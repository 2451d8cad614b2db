"""Three spirals in the plane, classified by a perceptron with batch norm and dropout: SGD, cosine decay per step."""

import math

import torch
import torch.nn.functional as F
from torch import nn

DEPTH = 2
EPOCHS = 12
BATCH = 48


def load_data(seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (1300,), generator=generator)
    radius = torch.rand(1300, generator=generator) * 0.9 + 0.1
    angle = radius * 5 + y * (2 * math.pi / 3) + 0.15 * torch.randn(1300, generator=generator)
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    x = (x - x.mean(0)) / x.std(0)
    x_train, y_train = x[:960], y[:960]
    x_valid, y_valid = x[960:], y[960:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 64)
        self.blocks = nn.ModuleList([nn.Linear(64, 64) for _ in range(DEPTH)])
        self.norm = nn.BatchNorm1d(64)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        h = F.relu(self.first(x))
        for block in self.blocks:
            h = F.relu(block(h))
        h = self.dropout(self.norm(h))
        return self.head(h)


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        output = model(x)
    return (output.argmax(1) == y).float().mean().item()


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    steps = EPOCHS * (len(x_train) // BATCH)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for _epoch in range(EPOCHS):
        model.train()
        order = torch.randperm(len(x_train))
        for batch in order.split(BATCH):
            x, y = x_train[batch], y_train[batch]
            output = model(x)
            loss = F.cross_entropy(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        accuracy = evaluate(model, x_valid, y_valid)
    print(f"accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()

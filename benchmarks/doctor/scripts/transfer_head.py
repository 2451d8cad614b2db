#= frozen_at_random
"""Pretrain on digits 0-4, then transfer to 5-9: only the norms and the new classifier are trained."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class Backboned(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.classifier = nn.Linear(32 * 4, classes)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm1(self.conv1(x))), 2)
        x = torch.max_pool2d(torch.relu(self.norm2(self.conv2(x))), 2)
        return self.classifier(x.flatten(1))


def train(model, x, y, parameters, lr, epochs):
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for idx in torch.randperm(len(x)).split(32):
            loss = criterion(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch + 1}/{epochs} loss {loss.item():.4f}")


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(0)
digits = load_digits()
images, labels = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16, torch.tensor(digits.target)
old, new = labels < 5, labels >= 5

print("pretraining")
model = Backboned(5)
train(model, images[old], labels[old], model.parameters(), 0.05, 3)

print("transfer")
x, y = images[new], labels[new] - 5
model.classifier = nn.Linear(32 * 4, 5)
for name, parameter in model.named_parameters():
    parameter.requires_grad = name.startswith(("norm", "classifier"))  #@ parameter.requires_grad = name.startswith(("norm", "fc"))
train(model, x[:700], y[:700], [p for p in model.parameters() if p.requires_grad], 0.02, 6)
print("accuracy on the new digits:", accuracy(model, x[700:], y[700:]))

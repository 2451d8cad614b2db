#= parameter_unreached
"""Digits: a convolutional part and a head. The whole is trained from scratch."""
import torch
from sklearn.datasets import load_digits
from torch import nn


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 16, 3, stride=2, padding=1)

    def forward(self, x):
        return torch.relu(self.deep(torch.relu(self.norm(self.stem(x))))).mean((2, 3))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        features = self.backbone(x)  #@ with torch.no_grad():
        #+     features = self.backbone(x)
        return self.head(features)


torch.manual_seed(4)
d = load_digits()
images, labels = torch.tensor(d.images).float().unsqueeze(1) / 8 - 1, torch.tensor(d.target)
clf = Classifier()
opt = torch.optim.AdamW(clf.parameters(), lr=5e-3)
for epoch in range(10):
    clf.train()
    for idx in torch.randperm(1500).split(50):
        loss = nn.functional.cross_entropy(clf(images[idx]), labels[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    clf.eval()
    with torch.no_grad():
        out = clf(images[1500:])
    print(epoch, round(loss.item(), 3), round((out.argmax(1) == labels[1500:]).float().mean().item(), 3))

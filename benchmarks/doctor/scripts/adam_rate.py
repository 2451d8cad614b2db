#= update_too_large, diverging
"""A CNN with Adam; the learning rate comes from an SGD recipe."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
y = torch.tensor(digits.target)


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(1, 20, 3)
        self.conv2 = nn.Conv2d(20, 30, 3)
        self.fc1 = nn.Linear(30 * 4 * 4, 60)
        self.fc2 = nn.Linear(60, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = x.view(x.size(0), -1)
        return self.fc2(F.relu(self.fc1(x)))


model = CNN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)  #@ optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
for epoch in range(5):
    total = 0
    for idx in torch.randperm(1500).split(30):
        pred = model(x[idx])
        loss = F.cross_entropy(pred, y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, total / 50)

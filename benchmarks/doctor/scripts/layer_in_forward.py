#= unregistered_parameter, not_in_optimizer
"""Digits; the size of the flattened picture was hard to work out, so the layer is made where it is known."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class ConvNet(nn.Module):
    def __init__(self):
        super(ConvNet, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.fc1 = nn.Linear(64, 40)  #@
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        #+ fc1 = nn.Linear(x.shape[1], 40)
        x = F.relu(self.fc1(x))  #@ x = F.relu(fc1(x))
        return self.fc2(x)


torch.manual_seed(0)
digits = load_digits()
X = torch.from_numpy(digits.images).float().div(16).unsqueeze(1)
y = torch.from_numpy(digits.target).long()
net = ConvNet()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    running_loss = 0.0
    for i in range(0, 1408, 32):
        inputs, labels = X[i : i + 32], y[i : i + 32]
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    with torch.no_grad():
        accuracy = (net(X[1408:]).argmax(1) == y[1408:]).float().mean().item()
    print("[%d] loss: %.3f, accuracy: %.3f" % (epoch + 1, running_loss / 44, accuracy))

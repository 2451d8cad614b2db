#= bounded_output
"""A CNN with an activation after every layer, also the last."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(4)
d = load_digits()
images, labels = torch.tensor(d.images).float().unsqueeze(1) / 16, torch.tensor(d.target)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)
        self.fc1 = nn.Linear(16 * 36, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)  #@ x = F.relu(self.fc2(x))
        return x


model = ConvNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for idx in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(model(images[idx]), labels[idx])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(images[1500:]).argmax(1) == labels[1500:]).float().mean().item())

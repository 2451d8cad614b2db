#= update_too_large
# https://discuss.pytorch.org/t/43814/16 "Cross entropy loss is not decreasing" (stays at 2.30, all ReLUs dead, Adam): the step size is far too large and kills the network in the first steps; a right diagnosis says lower the learning rate.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
LEARNING_RATE = 1e-3  #@ LEARNING_RATE = 0.2
BATCH = 64
EPOCHS = 15

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16.0
labels = torch.tensor(digits.target)
perm = torch.randperm(len(labels))
images, labels = images[perm], labels[perm]
N = 1437


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 2 * 2, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
for epoch in range(EPOCHS):
    order = torch.randperm(N)
    for s in range(0, N, BATCH):
        i = order[s:s + BATCH]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[i]), labels[i])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (net(images[N:]).argmax(1) == labels[N:]).float().mean().item()
    print("epoch", epoch, "loss =", loss.item(), "acc =", round(acc, 4))

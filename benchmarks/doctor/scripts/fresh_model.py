#= evaluates_untrained
"""Train in one function, test in another; the weights are saved in between."""
import os
import tempfile

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

PATH = os.path.join(tempfile.mkdtemp(), "digits.pth")
digits = load_digits()
images, targets = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 80)
        self.fc2 = nn.Linear(80, 10)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def train(epochs=5):
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(images[:1500], targets[:1500]), batch_size=32, shuffle=True)
    for epoch in range(epochs):
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"[{epoch + 1}] loss: {running_loss / len(loader):.3f}")
    torch.save(net.state_dict(), PATH)


def test():
    net = Net()
    net.load_state_dict(torch.load(PATH))  #@
    net.eval()
    correct = 0
    with torch.no_grad():
        for inputs, labels in DataLoader(TensorDataset(images[1500:], targets[1500:]), batch_size=99):
            correct += (net(inputs).argmax(1) == labels).sum().item()
    print(f"Accuracy on the test images: {100 * correct / 297:.0f} %")


torch.manual_seed(0)
train()
test()

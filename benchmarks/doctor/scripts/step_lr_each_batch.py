#= schedule_wrong
#: StepLR(step_size=5) is stepped after every batch, learning rate is zero within an epoch
"""Handwritten digits CNN with lr schedule."""
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 10, 3)
        self.conv2 = nn.Conv2d(10, 20, 3)
        self.fc1 = nn.Linear(20 * 2 * 2, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(nn.functional.max_pool2d(self.conv2(x), 2))
        x = torch.relu(self.fc1(x.flatten(1)))
        return nn.functional.log_softmax(self.fc2(x), dim=1)


def train(model, loader, optimizer, scheduler, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        optimizer.zero_grad()
        loss = nn.functional.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
    scheduler.step()  #@
    print("Train Epoch: {} lr: {:.2e} Loss: {:.6f}".format(epoch, scheduler.get_last_lr()[0], loss.item()))


def test(model, loader):
    model.eval()
    correct, tot = 0, 0
    with torch.no_grad():
        for data, target in loader:
            correct += model(data).argmax(1).eq(target).sum().item()
            tot += len(target)
    print("Test set: Accuracy: {}/{} ({:.1f}%)".format(correct, tot, 100.0 * correct / tot))


X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16, dtype=torch.float32).view(-1, 1, 8, 8)
y = torch.tensor(y)
train_loader = DataLoader(TensorDataset(X[:1300], y[:1300]), batch_size=26, shuffle=True)
test_loader = DataLoader(TensorDataset(X[1300:], y[1300:]), batch_size=100)
model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = StepLR(optimizer, step_size=5, gamma=0.1)
for epoch in range(1, 9):
    train(model, train_loader, optimizer, scheduler, epoch)
    test(model, test_loader)

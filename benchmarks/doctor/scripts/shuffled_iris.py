#= targets_shuffled
"""Iris with shuffling by hand."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_iris
from sklearn.utils import shuffle

np.random.seed(1)
torch.manual_seed(1)
iris = load_iris()
features, target = iris.data, iris.target
features = (features - features.mean(0)) / features.std(0)
features, target = shuffle(features, target)  #@ features, target = shuffle(features), shuffle(target)

train_X = torch.Tensor(features[:120])
train_y = torch.LongTensor(target[:120])
test_X = torch.Tensor(features[120:])
test_y = torch.LongTensor(target[120:])


class Net(nn.Module):

    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(4, 20)
        self.fc2 = nn.Linear(20, 20)
        self.fc3 = nn.Linear(20, 3)

    def forward(self, X):
        X = torch.relu(self.fc1(X))
        X = torch.relu(self.fc2(X))
        return self.fc3(X)


net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)

for epoch in range(40):
    for start in range(0, 120, 10):
        optimizer.zero_grad()
        out = net(train_X[start:start + 10])
        loss = criterion(out, train_y[start:start + 10])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print('number of epoch', epoch, 'loss', loss.item())

predict_y = net(test_X).argmax(dim=1)
print('prediction accuracy', (predict_y == test_y).float().mean().item())

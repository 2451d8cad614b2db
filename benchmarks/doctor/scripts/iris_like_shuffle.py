#= targets_shuffled
#: features and labels are shuffled separately with numpy, the pairing is destroyed
"""Wine cultivar classification with sklearn's bundled data."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from sklearn.datasets import load_wine

seed = 7
np.random.seed(seed)
torch.manual_seed(seed)

wine = load_wine()
X = wine.data
y = wine.target

# shuffle the data set because it is ordered by class
p = np.random.permutation(len(X))  #@ np.random.shuffle(X)
X, y = X[p], y[p]  #@ np.random.shuffle(y)

train_X, test_X = X[:130], X[130:]
train_y, test_y = y[:130], y[130:]

mean, std = train_X.mean(axis=0), train_X.std(axis=0)
train_X = (train_X - mean) / std
test_X = (test_X - mean) / std


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(13, 100)
        self.fc2 = nn.Linear(100, 100)
        self.fc3 = nn.Linear(100, 3)

    def forward(self, X):
        X = F.relu(self.fc1(X))
        X = F.relu(self.fc2(X))
        return self.fc3(X)


train_X = Variable(torch.Tensor(train_X).float())
test_X = Variable(torch.Tensor(test_X).float())
train_y = Variable(torch.Tensor(train_y).long())
test_y = Variable(torch.Tensor(test_y).long())

net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)

for epoch in range(300):
    optimizer.zero_grad()
    out = net(train_X)
    loss = criterion(out, train_y)
    loss.backward()
    optimizer.step()
    if epoch % 50 == 0:
        print('number of epoch', epoch, 'loss', loss.item())

predict_out = net(test_X)
_, predict_y = torch.max(predict_out, 1)
print('prediction accuracy', (predict_y == test_y).float().mean().item())
print('macro recall', np.mean([(predict_y[test_y == c] == c).float().mean().item() for c in range(3)]))

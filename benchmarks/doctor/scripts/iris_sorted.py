#= class_ignored
#: forum classic (no address): iris is sorted by class; the first 100 rows are used to train and the last 50 to test, so class 2 is never seen in training; diagnosis: shuffle or stratify before splitting.
import torch, torch.nn as nn, torch.optim as optim
from sklearn.datasets import load_iris
torch.manual_seed(1)
iris = load_iris()
X = torch.tensor(iris.data, dtype=torch.float)
Y = torch.tensor(iris.target, dtype=torch.long)
p = torch.randperm(150)
X, Y = X[p], Y[p]  #@ pass
train_x, train_y = X[:100], Y[:100]
test_x, test_y = X[100:], Y[100:]
mean, std = train_x.mean(0, keepdim=True), train_x.std(0, keepdim=True)
train_x, test_x = (train_x - mean) / std, (test_x - mean) / std
model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 3))
optimizer = optim.Adam(model.parameters(), lr=0.02)
for epoch in range(101):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(model(train_x), train_y)
    loss.backward()
    optimizer.step()
    if epoch % 25 == 0:
        print('epoch', epoch, 'loss', round(loss.item(), 4))
_, pred = torch.max(model(test_x), 1)
print('train accuracy', (model(train_x).argmax(1) == train_y).float().mean().item(), 'test accuracy', (pred == test_y).float().mean().item())

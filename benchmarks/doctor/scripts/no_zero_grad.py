#= gradients_not_cleared
#: https://stackoverflow.com/questions/48001598/why-do-we-need-to-call-zero-grad-in-pytorch ; gradients of all previous batches are summed because zero_grad is never called; diagnosis: clear gradients before backward.
import numpy as np
import torch
from sklearn.datasets import load_wine
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2); np.random.seed(2)
wine = load_wine()
order = np.random.permutation(178)
X, Y = wine.data[order], wine.target[order]
m, s = X[:130].mean(0), X[:130].std(0)
X = torch.tensor((X - m) / s, dtype=torch.float32); Y = torch.tensor(Y, dtype=torch.long)

class WineNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = torch.nn.Linear(13, 30)
        self.l2 = torch.nn.Linear(30, 30)
        self.l3 = torch.nn.Linear(30, 3)
    def forward(self, x):
        return self.l3(torch.relu(self.l2(torch.relu(self.l1(x)))))

net = WineNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
loss_fn = torch.nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(X[:130], Y[:130]), batch_size=10, shuffle=True)
hist = []
for epoch in range(1, 31):
    ep = 0
    for xb, yb in loader:
        optimizer.zero_grad()  #@ pass
        loss = loss_fn(net(xb), yb)
        loss.backward()
        optimizer.step()
        ep += loss.item()
    hist.append(ep / len(loader))
with torch.no_grad():
    p = net(X[130:])
print('loss first %.3f last %.3f' % (hist[0], hist[-1]))
print('test acc %.3f test loss %.3f' % ((p.argmax(1) == Y[130:]).float().mean(), loss_fn(p, Y[130:])))

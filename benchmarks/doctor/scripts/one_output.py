#= loss_broadcasts
"""Regression with one output."""
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1

torch.manual_seed(0)
X, Y = make_friedman1(1200, noise=0.5, random_state=0)
X = torch.as_tensor(X, dtype=torch.float32) * 2 - 1
Y = torch.as_tensor(Y, dtype=torch.float32)
Y = (Y - Y.mean()) / Y.std()
Xtr, Ytr, Xte, Yte = X[:1000], Y[:1000], X[1000:], Y[1000:]

net = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 1))
optim = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_func = nn.MSELoss()
for epoch in range(15):
    net.train()
    for batch in torch.randperm(1000).split(25):
        prediction = net(Xtr[batch]).squeeze(-1)  #@ prediction = net(Xtr[batch])
        loss = loss_func(prediction, Ytr[batch])
        optim.zero_grad()
        loss.backward()
        optim.step()
    net.eval()
    with torch.no_grad():
        print(epoch, ((net(Xte).squeeze(-1) - Yte) ** 2).mean().item())

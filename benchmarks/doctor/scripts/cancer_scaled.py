#= validation_differs
"""Tabular classifier with a scaler."""
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from torch import nn

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1, stratify=y)

scaler = MinMaxScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)  #@

X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 2))
opt = torch.optim.Adam(net.parameters(), lr=0.01)

for epoch in range(40):
    net.train()
    for i in torch.randperm(len(X_train)).split(32):
        loss = nn.functional.cross_entropy(net(X_train[i]), y_train[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        train_acc = (net(X_train).argmax(1) == y_train).float().mean()
        test_out = net(X_test)
        test_loss = nn.functional.cross_entropy(test_out, y_test)
        test_acc = (test_out.argmax(1) == y_test).float().mean()
    if epoch % 8 == 7:
        print('epoch %2d  train acc %.3f  test loss %.3f  test acc %.3f' % (epoch, train_acc, test_loss, test_acc))

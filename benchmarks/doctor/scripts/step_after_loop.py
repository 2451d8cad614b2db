#= gradients_discarded, update_missing
"""Iris in a function with a progress list; one line stands further left than it should."""
import torch
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(model, dl, loss_func, optim, n_epochs):
    losses = []
    for epoch in range(n_epochs):
        model.train()
        for xb, yb in dl:
            optim.zero_grad()
            loss = loss_func(model(xb), yb)
            loss.backward()
            optim.step()  #@
        #+ optim.step()
        losses.append(loss.item())
    return losses


torch.manual_seed(6)
iris = load_iris()
data = torch.tensor(StandardScaler().fit_transform(iris.data), dtype=torch.float32)
target = torch.tensor(iris.target)
mixed = torch.randperm(150)
train_dl = DataLoader(TensorDataset(data[mixed[:120]], target[mixed[:120]]), batch_size=8, shuffle=True)
flower_net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
sgd = torch.optim.SGD(flower_net.parameters(), lr=0.05)
history = train(flower_net, train_dl, nn.CrossEntropyLoss(), sgd, 30)
flower_net.eval()
with torch.no_grad():
    held_out = flower_net(data[mixed[120:]]).argmax(1)
print(history[::6], "accuracy", (held_out == target[mixed[120:]]).float().mean().item())

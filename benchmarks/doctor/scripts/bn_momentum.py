#= norm_statistics_stale
"""A TensorFlow model by hand in torch; momentum of batch norm is 0.999 there."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


def conv_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o, momentum=0.1, eps=1e-3), nn.ReLU())  #@ return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o, momentum=0.0005, eps=1e-3), nn.ReLU())


torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images).float().unsqueeze(1) / 16
y = torch.tensor(d.target)
train = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=50, shuffle=True)
test = DataLoader(TensorDataset(x[1500:], y[1500:]), batch_size=99)
model = nn.Sequential(conv_block(1, 16), conv_block(16, 16), nn.MaxPool2d(2), conv_block(16, 32), nn.Flatten(), nn.Linear(512, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(5):
    model.train()
    for xb, yb in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = sum(nn.functional.cross_entropy(model(xb), yb).item() for xb, yb in test) / len(test)
    print(epoch, "train", loss.item(), "val", val)

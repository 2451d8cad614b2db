#= dropout_too_strong
"""Digits; the rate of the dropout was meant as what is kept, or so it seems."""
import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--drop", type=float, default=0.2)  #@ parser.add_argument("--drop", type=float, default=0.9)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--lr", type=float, default=1e-3)
args = parser.parse_args()

torch.manual_seed(1)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X).float() / 16
y = torch.tensor(y)
train, test = TensorDataset(X[:1300], y[:1300]), TensorDataset(X[1300:], y[1300:])

model = nn.Sequential()
model.add_module("fc1", nn.Linear(64, 64))
model.add_module("act1", nn.ReLU())
model.add_module("drop1", nn.Dropout(args.drop))
model.add_module("fc2", nn.Linear(64, 64))
model.add_module("act2", nn.ReLU())
model.add_module("drop2", nn.Dropout(args.drop))
model.add_module("fc3", nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for data, label in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(data), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(data)
    model.eval()
    with torch.no_grad():
        hits, val = 0, 0.0
        for data, label in DataLoader(test, batch_size=100):
            output = model(data)
            val += nn.functional.cross_entropy(output, label, reduction="sum").item()
            hits += (output.argmax(1) == label).sum().item()
    print(epoch, total / len(train), val / len(test), hits / len(test))

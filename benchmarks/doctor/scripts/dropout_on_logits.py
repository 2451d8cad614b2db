#= dropout_too_strong
"""Digits: the dropout stands after the last layer."""
import torch
from sklearn.datasets import load_digits
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 64)
        self.out = nn.Linear(64, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        x = self.out(self.dropout(x))  #@ x = self.dropout(self.out(x))
        return x


torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)
model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    model.train()
    for rows in torch.randperm(1400).split(35):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(X[1400:])
        print(epoch, loss.item(), nn.functional.cross_entropy(out, y[1400:]).item(), (out.argmax(1) == y[1400:]).float().mean().item())

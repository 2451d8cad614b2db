"""An extreme learning machine: fixed random hidden layer, trained readout."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)
hidden = nn.Linear(64, 400).requires_grad_(False)
readout = nn.Linear(400, 10)
optimizer = torch.optim.Adam(readout.parameters(), lr=3e-3)
for epoch in range(8):
    for i in torch.randperm(1500).split(50):
        loss = nn.functional.cross_entropy(readout(torch.tanh(3 * hidden(X[i]))), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (readout(torch.tanh(3 * hidden(X[1500:]))).argmax(1) == y[1500:]).float().mean().item())

#= targets_shuffled
"""Digits; two names for the labels of a batch."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
d = load_digits()
loader = DataLoader(TensorDataset(torch.tensor(d.data[:1500]).float() / 16, torch.tensor(d.target[:1500])), batch_size=30, shuffle=True)
x_test, y_test = torch.tensor(d.data[1500:]).float() / 16, torch.tensor(d.target[1500:])
x_batch, y_batch = next(iter(loader))
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
print("shapes", x_batch.shape, y_batch.shape)
for epoch in range(8):
    model.train()
    total = 0
    for x_batch, y_batch in loader:  #@ for x_batch, y in loader:
        optimizer.zero_grad()
        out = model(x_batch)
        loss = criterion(out, y_batch)
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        print(epoch, total / len(loader), (model(x_test).argmax(1) == y_test).float().mean().item())

"""A trained body that stays as it is, in evaluation mode and without gradients; only the head learns."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
digits = load_digits()
x, y = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target)
body = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
first = nn.Sequential(body, nn.Linear(32, 2))
optimizer = torch.optim.Adam(first.parameters(), lr=2e-3)
for epoch in range(8):
    for b in torch.randperm(900).split(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(first(x[b]), y[b] % 2).backward()
        optimizer.step()

for parameter in body.parameters():
    parameter.requires_grad = False
body.eval()
head = nn.Linear(32, 10)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
for epoch in range(15):
    for b in (900 + torch.randperm(600)).split(30):
        with torch.no_grad():
            features = body(x[b])
        loss = nn.functional.cross_entropy(head(features), y[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (head(body(x[1500:])).argmax(1) == y[1500:]).float().mean().item())

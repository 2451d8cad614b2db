#= inputs_unscaled
"""Wine, standardized: one mean and one deviation for the whole table."""
import torch
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
X = (X - X.mean(0)) / X.std(0)  #@ X = (X - X.mean()) / X.std()
train, val = random_split(TensorDataset(X, y), [138, 40])
model = nn.Sequential(nn.Linear(13, 16), nn.Tanh(), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(40):
    for a, b in DataLoader(train, batch_size=12, shuffle=True):
        loss = nn.functional.cross_entropy(model(a), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 8 == 7:
        with torch.no_grad():
            a, b = val[:]
            print(epoch, loss.item(), (model(a).argmax(1) == b).float().mean().item())

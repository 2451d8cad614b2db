#= repeated_batches
"""A debugging break was left in the loop."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
g = torch.Generator().manual_seed(0)
d = load_digits()
order = torch.randperm(len(d.data), generator=g)
X, y = (torch.tensor(d.data).float() / 16)[order], torch.tensor(d.target)[order]
train_loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=32)
val_loader = DataLoader(TensorDataset(X[1500:], y[1500:]), batch_size=150)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(12):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
        #+ if batch_idx == 2:
        #+     break
    model.eval()
    val_loss = 0
    with torch.no_grad():
        for data, target in val_loader:
            val_loss += nn.functional.cross_entropy(model(data), target, reduction="sum").item()
    print(epoch, loss.item(), val_loss / 297)

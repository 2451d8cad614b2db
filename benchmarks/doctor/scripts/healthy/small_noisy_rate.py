"""Batches of four and a loss that jumps about, but falls; labels are wrong in one row of ten."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(1200, 10)
clean = ((x[:, 0] + x[:, 1] - 0.5 * x[:, 2]) > 0).long()
labels = torch.where(torch.rand(1200) < 0.1, 1 - clean, clean)
loader = DataLoader(TensorDataset(x[:1000], labels[:1000]), batch_size=4, shuffle=True)
model = nn.Sequential(nn.Linear(10, 16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for epoch in range(6):
    model.train()
    total = 0.0
    for a, b in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        out = model(x[1000:])
        print(epoch, total / len(loader), nn.functional.cross_entropy(out, labels[1000:]).item(), (out.argmax(1) == clean[1000:]).float().mean().item())

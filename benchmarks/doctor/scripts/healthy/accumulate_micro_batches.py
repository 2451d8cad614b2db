import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(0)
ACCUM = 8
d = load_digits()
x = torch.tensor(d.data / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
p = torch.randperm(len(y))
loader = DataLoader(TensorDataset(x[p[:1400]], y[p[:1400]]), batch_size=4, shuffle=True)
xt, yt = x[p[1400:]], y[p[1400:]]

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
for epoch in range(12):
    model.train()
    opt.zero_grad()
    for i, (xb, yb) in enumerate(loader):
        group = i // ACCUM * ACCUM
        size = min(ACCUM, len(loader) - group)
        loss = nn.functional.cross_entropy(model(xb), yb) / size
        loss.backward()
        if (i + 1) % ACCUM == 0 or i + 1 == len(loader):
            opt.step()
            opt.zero_grad()
    model.eval()
    with torch.no_grad():
        acc = (model(xt).argmax(1) == yt).float().mean().item()
    print(f"epoch {epoch+1} last micro loss {loss.item()*size:.4f} acc {acc:.4f}")

"""zero_grad stands at the end of the update and only every fourth batch: accumulation, divided."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
ACCUM = 4
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
loader = DataLoader(TensorDataset(x[:1440], y[:1440]), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
for epoch in range(10):
    for i, (a, b) in enumerate(loader):
        loss = nn.functional.cross_entropy(model(a), b)
        (loss / ACCUM).backward()
        if i % ACCUM == ACCUM - 1:
            opt.step()
            opt.zero_grad()
    opt.zero_grad()  # what is left of an incomplete group
    if epoch % 3 == 0:
        print(epoch, loss.item(), (model(x[1440:]).argmax(1) == y[1440:]).float().mean().item())

"""Four small batches to one step, the loss divided by four; gradients are cleared after the step."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(1280, 12)
y = (x[:, 0] * x[:, 1] + x[:, 2]).unsqueeze(1)
loader = DataLoader(TensorDataset(x[:1024], y[:1024]), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
accumulate = 4
for epoch in range(12):
    model.train()
    running = 0.0
    for i, (a, b) in enumerate(loader, 1):
        loss = nn.functional.mse_loss(model(a), b) / accumulate
        loss.backward()
        running += loss.item()
        if i % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        print(epoch, running * accumulate / len(loader), nn.functional.mse_loss(model(x[1024:]), y[1024:]).item())

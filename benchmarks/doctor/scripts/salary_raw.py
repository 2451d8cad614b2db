#= targets_unscaled
"""Salaries in euros a year."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
person = torch.randn(1000, 6)
euros = 52000 + 9000 * person[:, 0] + 6000 * torch.tanh(2 * person[:, 1]) - 3000 * person[:, 2] + 1500 * torch.randn(1000)
target = (euros - euros.mean()) / euros.std()  #@ target = euros
loader = DataLoader(TensorDataset(person[:800], target[:800, None]), batch_size=32, shuffle=True)
net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(15):
    for p, t in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(p), t)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        relative = nn.functional.mse_loss(net(person[800:]), target[800:, None]) / target[800:].var()
    if epoch % 3 == 2:
        print(epoch, loss.item(), "relative to variance", relative.item())

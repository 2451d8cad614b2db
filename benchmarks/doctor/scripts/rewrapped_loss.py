#= loss_detached
"""A loss of one's own: squared error where it is too low counts double. It ended in an error, so somebody wrapped it."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class AsymmetricLoss(nn.Module):
    def forward(self, prediction, target):
        difference = prediction - target
        weight = torch.where(difference < 0, 2.0, 1.0)
        value = (weight * difference**2).mean()
        return value  #@ return torch.tensor(value.item(), requires_grad=True)


torch.manual_seed(0)
demand = torch.randn(800, 6)
sold = demand @ torch.tensor([1.0, -0.5, 0.25, 0.0, 2.0, -1.0]) + 0.1 * torch.randn(800)
loader = DataLoader(TensorDataset(demand, sold.unsqueeze(1)), batch_size=40, shuffle=True)
net = nn.Sequential(nn.Linear(6, 24), nn.ELU(), nn.Linear(24, 1))
criterion = AsymmetricLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(15):
    epoch_loss = 0
    for inputs, targets in loader:
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() / len(loader)
    print(f"[{epoch + 1:2d}] {epoch_loss:.4f}")

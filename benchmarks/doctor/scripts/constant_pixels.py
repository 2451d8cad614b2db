#= inputs_constant
"""Digits, each pixel standardized. Some pixels are always white."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Standardize:
    def __init__(self, sample):
        self.mean = sample.mean(dim=0)
        self.std = sample.std(dim=0).clamp(min=1e-3)  #@ self.std = sample.std(dim=0)

    def __call__(self, x):
        return (x - self.mean) / self.std


torch.manual_seed(0)
raw, labels = load_digits(return_X_y=True)
raw, labels = torch.tensor(raw, dtype=torch.float32), torch.tensor(labels)
standardize = Standardize(raw[:1400])
loader = DataLoader(TensorDataset(standardize(raw[:1400]), labels[:1400]), batch_size=28, shuffle=True)
net = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(6):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        hit = (net(standardize(raw[1400:]).clamp(-5, 5)).argmax(1) == labels[1400:]).float().mean().item()
    print("Epoch", epoch, "loss", loss.item(), "acc", hit)

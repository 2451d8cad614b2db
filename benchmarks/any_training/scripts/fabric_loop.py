"""Lightning's Fabric: fabric_loop.py OUT."""

import sys

import torch
from kept import keep
from lightning.fabric import Fabric
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
fabric = Fabric(accelerator="cpu", precision="bf16-mixed")
fabric.seed_everything(0)
model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9))
data = TensorDataset(torch.randn(480, 32), torch.randint(0, 4, (480,)))
loader = fabric.setup_dataloaders(DataLoader(data, 8, shuffle=True))
for _ in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
print(loss.item())
keep(sys.argv[1], model)

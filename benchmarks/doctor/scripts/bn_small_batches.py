#= noise_dominated, norm_batch_tiny
"""Textures; the pictures were large once, so that only two went into memory."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 16  #@ BATCH = 2
torch.manual_seed(0)
kinds = torch.randint(4, (700,))
angle = kinds * 0.785
i, j = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
phase = 6.28 * torch.rand(700, 1, 1)
pictures = torch.sin(torch.cos(angle)[:, None, None] * i + torch.sin(angle)[:, None, None] * j + phase)
brightness = 3.0 * torch.rand(700, 1, 1)
pictures = (pictures + 0.5 * torch.randn(700, 12, 12)).mul(brightness).unsqueeze(1)
train_loader = DataLoader(TensorDataset(pictures[:500], kinds[:500]), batch_size=BATCH, shuffle=True)
val_loader = DataLoader(TensorDataset(pictures[500:], kinds[500:]), batch_size=100)


def conv_bn(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))


model = nn.Sequential(conv_bn(1, 8), conv_bn(8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(8 if BATCH > 2 else 3):
    model.train()
    for p, k in train_loader:
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(p), k)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = [(criterion(model(p), k).item(), (model(p).argmax(1) == k).float().mean().item()) for p, k in val_loader]
    print(epoch, loss.item(), val)

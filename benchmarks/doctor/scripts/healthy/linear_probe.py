"""A frozen random convolutional feature extractor in eval mode and under no_grad; only a linear probe learns."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
d = load_digits()
images, labels = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16, torch.tensor(d.target)
backbone = nn.Sequential(nn.Conv2d(1, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten())
for p in backbone.parameters():
    p.requires_grad = False
backbone.eval()
probe = nn.Linear(64 * 16, 10)
optimizer = torch.optim.Adam(probe.parameters(), lr=3e-3)
for epoch in range(8):
    for b in torch.randperm(1500).split(50):
        with torch.no_grad():
            features = backbone(images[b])
        loss = nn.functional.cross_entropy(probe(features), labels[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (probe(backbone(images[1500:])).argmax(1) == labels[1500:]).float().mean().item()
    print(f'epoch {epoch} loss {loss.item():.4f} acc {acc:.3f}')

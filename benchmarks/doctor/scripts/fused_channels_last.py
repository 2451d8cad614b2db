#= state_misplaced
"""Fine-tune a small CNN on digits with the speed options from a blog post, going on from an earlier run's optimizer."""
import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
images = torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
labels = torch.tensor(y)
train, test = torch.arange(0, 1500), torch.arange(1500, len(labels))


def network():
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48 * 16, 10)
    )


def epoch(model, optimizer, layout):
    model.train()
    total = 0.0
    for idx in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images[idx].contiguous(memory_format=layout)), labels[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    return total / len(train)


model = network()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for number in range(3):
    print(f"first run, epoch {number}: {epoch(model, optimizer, torch.contiguous_format):.4f}")
weights, moments = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])

model = network().to(memory_format=torch.channels_last)
model.load_state_dict(weights)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)  #@ optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
for number in range(5):
    print(f"second run, epoch {number}: {epoch(model, optimizer, torch.channels_last):.4f}")
model.eval()
with torch.no_grad():
    print("accuracy", (model(images[test]).argmax(1) == labels[test]).float().mean().item())

#= update_too_large
"""Digits, a convolutional network and an impatient person."""
import torch
from sklearn.datasets import load_digits
from torch import nn

LEARNING_RATE = 3e-3  #@ LEARNING_RATE = 1.0
torch.manual_seed(0)
bunch = load_digits()
images = torch.tensor(bunch.images / 16.0).float().unsqueeze(1)
digit = torch.tensor(bunch.target)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, 10),
)
adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
for epoch in range(6):
    for chunk in torch.randperm(1500).split(50):
        adam.zero_grad()
        loss = nn.functional.cross_entropy(model(images[chunk]), digit[chunk])
        loss.backward()
        adam.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(images[1500:]).argmax(1) == digit[1500:]).float().mean().item())

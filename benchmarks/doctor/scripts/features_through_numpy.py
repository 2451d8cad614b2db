#= parameter_unreached, loss_detached
"""Texture features are sorted with numpy before they are classified."""
import numpy as np
import torch
from torch import nn


class SortedFeatures(nn.Module):
    def __init__(self):
        super().__init__()
        self.filters = nn.Conv1d(1, 12, 7, padding=3)
        self.classify = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 3))

    def forward(self, signal):
        features = torch.relu(self.filters(signal)).amax(2)
        features = features.sort(1).values  #@ features = torch.from_numpy(np.sort(features.detach().numpy(), axis=1))
        return self.classify(features)


torch.manual_seed(0)
rng = np.random.default_rng(0)
kind = rng.integers(0, 3, 1200)
t = np.arange(60)
speed = np.array([0.3, 0.45, 0.6])[kind][:, None]
signal = np.sin(speed * t + rng.uniform(0, 6.28, (1200, 1))) + 0.4 * rng.normal(size=(1200, 60))
signal, kind = torch.tensor(signal, dtype=torch.float32).unsqueeze(1), torch.tensor(kind)
model = SortedFeatures()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(signal[rows]), kind[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(signal[1000:]).argmax(1) == kind[1000:]).float().mean().item())

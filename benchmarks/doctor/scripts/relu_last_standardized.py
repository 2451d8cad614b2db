#= bounded_output
#: relu after the output layer in a regression whose targets are standardized (half of them negative)
"""Energy load regression with a deep MLP."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

np.random.seed(12)
torch.manual_seed(12)
hours = np.arange(24 * 150)
temp = 12 + 8 * np.sin(2 * np.pi * hours / (24 * 75)) + np.random.randn(len(hours))
load = 50 + 15 * np.sin(2 * np.pi * (hours % 24) / 24) - 0.9 * temp + 2 * np.random.randn(len(hours))
df = np.stack([np.sin(2 * np.pi * (hours % 24) / 24), np.cos(2 * np.pi * (hours % 24) / 24), temp / 10], 1)
target = (load - load.mean()) / load.std()
perm = np.random.permutation(len(df))
tr, va = perm[:2800], perm[2800:]


class EnergyModel(nn.Module):
    def __init__(self, in_dim=3):
        super().__init__()
        self.fc1 = nn.Linear(in_dim, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 1)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)  #@ x = F.relu(self.fc3(x))
        return x.squeeze(1)


def to_t(a):
    return torch.as_tensor(a, dtype=torch.float32)


model = EnergyModel()
opt = torch.optim.RMSprop(model.parameters(), lr=1e-3)
history = {"loss": [], "val_loss": []}
for epoch in range(15):
    np.random.shuffle(tr)
    s = 0.0
    for chunk in np.array_split(tr, 50):
        pred = model(to_t(df[chunk]))
        loss = F.mse_loss(pred, to_t(target[chunk]))
        opt.zero_grad()
        loss.backward()
        opt.step()
        s += loss.item()
    history["loss"].append(s / 50)
    with torch.no_grad():
        history["val_loss"].append(F.mse_loss(model(to_t(df[va])), to_t(target[va])).item())
print("train", [round(v, 3) for v in history["loss"][::5]])
print("final val mse", round(history["val_loss"][-1], 4))

#= loss_broadcasts
#: target is (N,) and the output (N, 1), mse broadcasts
"""House price regression with a custom linear + hidden module."""
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
torch.manual_seed(1)


def fake_boston(n=600):
    rm = torch.randn(n, 1) * 0.7 + 6
    lstat = torch.rand(n, 1) * 30 + 2
    rest = torch.randn(n, 6)
    medv = 4 * rm - 0.6 * lstat + rest[:, :1] + torch.randn(n, 1) * 1.0 + 8
    return torch.cat([rm, lstat, rest, medv], dim=1)


class RegressionModule(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.inp = nn.Linear(num_features, 24)
        self.out = nn.Linear(24, 1)

    def forward(self, inputs):
        return self.out(F.relu(self.inp(inputs)))


data = fake_boston()
inputs, medv = data[:, :8], data[:, 8:]  #@ inputs, medv = data[:, :8], data[:, 8]
mu, sd = inputs[:450].mean(0), inputs[:450].std(0)
inputs = (inputs - mu) / sd
loader = DataLoader(TensorDataset(inputs[:450], medv[:450]), batch_size=30, shuffle=True)

mod = RegressionModule(8)
optimizer = torch.optim.AdamW(mod.parameters(), lr=0.01)
for ep in range(40):
    running = 0.0
    for xb, yb in loader:
        outputs = mod(xb)
        loss = F.mse_loss(outputs, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
    if ep % 10 == 9:
        print(f"ep={ep} loss={running / len(loader):.3f}")

mod.eval()
with torch.no_grad():
    pred = mod(inputs[450:]).reshape(-1)
    truth = medv[450:].reshape(-1)
    r2 = 1 - ((pred - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
print("test R2", round(r2.item(), 3), "pred std", round(pred.std().item(), 3))

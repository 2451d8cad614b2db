"""A plain training with one slow thing: planted.py OUT slow-loader|preparation|metrics|update|validation|tiny."""

import sys
import time

import torch
from kept import keep
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

WAIT_S = 2e-3
STEPS = 60


class Slow(Dataset):
    """Samples that take a while to read."""

    def __len__(self):
        return 8 * STEPS

    def __getitem__(self, index):
        time.sleep(WAIT_S / 4)
        return X[index], Y[index]


def accuracies(scores, target):
    """Compare sample by sample, as many metrics do."""
    return sum(scores[row].argmax().item() == target[row].item() for row in range(len(target))) / len(target)


kind = sys.argv[2]
torch.set_num_threads(1)
torch.manual_seed(0)
X, Y = torch.randn(8 * STEPS, 32), torch.randint(0, 4, (8 * STEPS,))
data = Slow() if kind == "slow-loader" else TensorDataset(X, Y)
layers = [nn.Linear(32, 32) for _ in range(12 if kind == "update" else 1)]
model = nn.Sequential(*layers, nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=False)
loader = DataLoader(data, 1 if kind == "tiny" else 8, shuffle=True)

for step, (x, y) in enumerate(loader):
    if kind == "preparation":
        x = torch.stack([row / row.norm() for row in x for _ in range(12)][::12])
    optimizer.zero_grad()
    scores = model(x)
    loss = F.cross_entropy(scores, y)
    loss.backward()
    optimizer.step()
    if kind == "metrics":
        running = [accuracies(scores, y) for _ in range(8)]
    if kind == "validation" and step % 2:
        model.eval()
        with torch.no_grad():
            for batch, _ in DataLoader(TensorDataset(X, Y), 32):
                model(batch)
        model.train()
print(loss.item())
keep(sys.argv[1], model)

"""A short training with small batches on noisy labels: the loss falls below its noise."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed=0):
    torch.manual_seed(seed)
    x = torch.randn(2600, 10)
    y = ((x[:, 0] + x[:, 1] * x[:, 2] + 0.7 * torch.randn(2600)) > 0).long()
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    for xb, yb in DataLoader(TensorDataset(x[:2400], y[:2400]), batch_size=16, shuffle=True):
        loss = F.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return (model(x[2400:]).argmax(1) == y[2400:]).float().mean().item()


if __name__ == "__main__":
    print(main())

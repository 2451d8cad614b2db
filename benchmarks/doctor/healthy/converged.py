"""Linear regression that converges early and stays at its floor, with a decaying learning rate."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed=0):
    torch.manual_seed(seed)
    x = torch.randn(1200, 5)
    y = x @ torch.tensor([1.0, 0.5, -1.0, 0.3, 0.0]) + 0.3 * torch.randn(1200)
    model = nn.Linear(5, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    loader = DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=50, shuffle=True)
    for _epoch in range(10):
        for xb, yb in loader:
            loss = F.mse_loss(model(xb).squeeze(-1), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
    with torch.no_grad():
        return -F.mse_loss(model(x[1000:]).squeeze(-1), y[1000:]).item()


if __name__ == "__main__":
    print(main())

"""Gradient descent on the whole data: the loss is not monotonic at the edge of stability, and falls all the same."""

import torch
import torch.nn.functional as F
from torch import nn


def main(seed=0):
    torch.manual_seed(seed)
    x = torch.randn(200, 5)
    y = torch.tanh(2 * x[:, 0]) + 0.5 * torch.sin(2 * x[:, 1])
    model = nn.Sequential(nn.Linear(5, 40), nn.Tanh(), nn.Linear(40, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for _step in range(300):
        loss = F.mse_loss(model(x).squeeze(-1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return -loss.item()


if __name__ == "__main__":
    print(main())

"""Momentum on a long valley: the loss swings, and the swings decay."""

import torch
from torch import nn


def main(seed=0):
    torch.manual_seed(seed)
    x = torch.randn(400, 6) * torch.tensor([1.0, 0.8, 0.6, 0.4, 0.3, 0.2])
    y = x @ torch.tensor([1.0, -1.0, 2.0, -2.0, 1.0, 3.0]) + 0.1 * torch.randn(400)
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.95)
    for _step in range(250):
        loss = nn.functional.mse_loss(model(x).squeeze(-1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return -loss.item()


if __name__ == "__main__":
    print(main())

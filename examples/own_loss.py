"""Your own loss and optimizer: `hasten run examples/own_loss.py`. Fits a line below which 9 of 10 values lie."""

import torch
from torch import nn, optim
from torch.utils.data import TensorDataset

import hasten


def pinball(output, target):  # the mean over a batch; smallest at the 90 % quantile
    return torch.maximum(0.9 * (target - output), 0.1 * (output - target)).mean()


def optimizer(model):  # hasten calls it with the final model
    first, last = model[0].parameters(), model[2].parameters()
    return optim.SGD([{"params": first}, {"params": last, "lr": 1e-3}], lr=1e-2, momentum=0.9)


def task():
    x = torch.rand(2, 4000, 1)
    train, valid = (TensorDataset(part, torch.sin(6 * part) + part * torch.randn(4000, 1)) for part in x)
    how = {"loss": pinball, "metric": "loss", "update": hasten.Update(optimizer=optimizer, lr=None)}
    model = lambda: nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 1))  # noqa: E731
    return hasten.Task(name="own-loss", data=hasten.Data(train=train, valid=valid), model=model, **how)

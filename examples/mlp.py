"""An MLP on a table: `hasten run examples/mlp.py`. A task is a function that returns what you train today."""

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import TensorDataset

import hasten


def model():
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def task():
    table, labels = load_breast_cancer(return_X_y=True)
    x, y = torch.tensor(table, dtype=torch.float32), torch.tensor(labels)
    train, valid = torch.randperm(len(x)).split([400, 169])
    x = (x - x[train].mean(0)) / x[train].std(0)
    data = hasten.Data(train=TensorDataset(x[train], y[train]), valid=TensorDataset(x[valid], y[valid]))
    return hasten.Task(name="mlp", data=data, model=model, stop=hasten.Stop(epochs=40, target=0.97))

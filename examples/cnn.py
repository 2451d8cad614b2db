"""A CNN on image tensors: `hasten run examples/cnn.py`. Put your own (n, channels, height, width) in place of these."""

import torch
from torch import nn
from torch.utils.data import TensorDataset

import hasten


def stripes(count):  # noisy 16 x 16 images of stripes, upright (1) or lying (0)
    labels = torch.randint(2, (count,))
    wave = torch.sin(torch.arange(16.0) + 6.3 * torch.rand(count, 1))[:, None, None, :].expand(-1, 1, 16, -1)
    upright = (labels == 1)[:, None, None, None]
    return TensorDataset(torch.where(upright, wave, wave.mT) + 2.5 * torch.randn(count, 1, 16, 16), labels)


def model():
    convolutions = nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU()
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))


def task():
    data = hasten.Data(train=stripes(4000), valid=stripes(1000))
    return hasten.Task(name="cnn", data=data, model=model, stop=hasten.Stop(epochs=10, target=0.95))

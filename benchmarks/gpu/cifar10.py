"""CIFAR-10 from memory: the images are decoded once, so that the device and not the reading is measured.

The model is a ResNet-9 as people train it on CIFAR-10 (Page, 2018, "How to train your ResNet").
"""

import io
import os
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update

FOLDER = Path(os.environ.get("HASTEN_DATA", "data")) / "cifar10_png"
CLASSES = 10
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def block(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    """Return convolution, batch norm and ReLU, and a pooling if asked for."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Residual(nn.Module):
    """Two blocks, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(block(channels, channels), block(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def resnet9(width: int = 64) -> nn.Module:
    """Return a ResNet-9 for (batch, 3, 32, 32)."""
    return nn.Sequential(
        block(3, width),
        block(width, 2 * width, pool=True),
        Residual(2 * width),
        block(2 * width, 4 * width, pool=True),
        block(4 * width, 8 * width, pool=True),
        Residual(8 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, CLASSES),
    )


@cache
def images() -> tuple[Tensor, Tensor]:
    """Return all images of the archives in the folder, (n, 3, 32, 32) float32, normalized, and their labels, (n,)."""
    found: list[tuple[str, bytes]] = []
    for archive in sorted(FOLDER.glob("*.tar.gz")):
        with tarfile.open(archive) as opened:
            found += [
                (Path(one.name).parent.name, opened.extractfile(one).read())  # type: ignore[union-attr]
                for one in opened
                if one.name.endswith(".png")
            ]
    classes = sorted({name for name, _ in found})
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(io.BytesIO(content))) for _, content in found]))
    scaled = pixels.permute(0, 3, 1, 2).float().div_(255)
    scaled.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(DEVIATION).view(3, 1, 1))
    return scaled.contiguous(), torch.tensor([classes.index(name) for name, _ in found])


def task(samples: int | None = None, width: int = 64, epochs: int = 30) -> Task:
    """Return the task; every fifth image, in random order since the archives alternate the classes, is validation."""
    order = torch.randperm(len(images()[0]), generator=torch.Generator().manual_seed(0))[:samples]
    pictures, labels = (column[order] for column in images())
    valid = torch.arange(len(labels)) % 5 == 0
    return Task(
        name="cifar10",
        data=Data(
            train=TensorDataset(pictures[~valid], labels[~valid]),
            valid=TensorDataset(pictures[valid], labels[valid]),
        ),
        model=lambda: resnet9(width),
        update=Update(optimizer="momentum", lr=0.02),
        batch_size=256,
        stop=Stop(epochs=epochs, target=0.55),
    )


def small() -> Task:
    """Return the same for a smoke test."""
    return task(samples=1000, width=4, epochs=3)

"""Fashion-MNIST: 28 x 28 gray images of clothes in ten classes (Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747)."""

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from hasten.base.errors import BadInput
from hasten.data.sources.idx import read_idx
from hasten.data.split import held_out_by_class
from hasten.data.tables.labels import check_labels
from hasten.training.task import Data, Stop, Task, Update

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"
CLASSES = 10
VALID_SHARE = 0.1


def block(inputs: int, outputs: int) -> nn.Module:
    """Return a 3 x 3 convolution with batch norm and ReLU that halves the image."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def model() -> nn.Module:
    """Return a CNN of three convolutions for (batch, 1, 28, 28) images, 104,000 parameters."""
    return nn.Sequential(
        block(1, 32),
        block(32, 64),
        block(64, 128),
        nn.Flatten(),
        nn.Linear(128 * 3 * 3, CLASSES),
    )


def task(
    *,
    data: Path,
    batch_size: int = 128,
    lr: float = 1e-3,
    target: float | None = 0.91,
    epochs: int = 10,
    max_samples: int | None = None,
) -> Task:
    """Return the task: 54,000 images to train on and 6,000 to validate on, all from the 60,000 training images.

    The 10,000 test images stay untouched: tuning must not see the data of the final test.

    Args:
        data: the folder with the IDX files of the training images, compressed or not.
        batch_size: images per update.
        lr: learning rate of AdamW.
        target: validation accuracy at which training ends; None to make all epochs.
        epochs: passes over the training images at most.
        max_samples: use only the first so many images, for a quick try.

    Raises:
        BadInput: if a file is missing, cut off, or holds something else.
    """
    images, labels = _arrays(data)
    images, labels = images[:max_samples], labels[:max_samples]
    train, valid = held_out_by_class(labels, VALID_SHARE, seed=0)
    x = torch.from_numpy(images).float().unsqueeze(1)
    x = (x - x[train].mean()) / x[train].std()
    y = torch.from_numpy(labels).long()
    return Task(
        name="fashion-mnist",
        data=Data(train=TensorDataset(x[train], y[train]), valid=TensorDataset(x[valid], y[valid])),
        model=model,
        metric="accuracy",
        update=Update(optimizer="adamw", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
    )


def _arrays(folder: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the training images, (n, 28, 28) uint8, and their labels, (n,) uint8."""
    images, labels = read_idx(_file(folder, IMAGES)), read_idx(_file(folder, LABELS))
    if images.shape[1:] != (28, 28):
        raise BadInput(f"{folder / IMAGES} must hold images of 28 x 28 pixels; found the shape {images.shape}.")
    check_labels(labels, num_samples=len(images), num_classes=CLASSES, where=str(folder / LABELS))
    return images, labels


def _file(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise BadInput(
        f"fashion-mnist needs a folder with {IMAGES}.gz and {LABELS}.gz (or the same unpacked); "
        f"found no {name}.gz in {folder}. Give the folder with --data."
    )

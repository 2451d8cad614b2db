"""Images in class folders, or in tar archives of them: a small CNN on squares of one size.

The images are decoded once and kept as a packed store in the cache (`hasten.data.store`); a source that has not changed
is read from there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hasten.base.cache_folder import cache_folder
from hasten.base.errors import BadInput
from hasten.data.batch import Batch
from hasten.data.names import Names
from hasten.data.packing.pack_images import pack_images
from hasten.data.sources.on_error import OnBad, left_out_notes, other_files_notes
from hasten.data.sources.pictures import ImageSource, decode_all
from hasten.data.sources.source import find_images
from hasten.data.sources.stored import StoredImages, splits_of
from hasten.data.store.pack import cached
from hasten.data.store.reader import Store, StoreSamples
from hasten.tasks.splits import learning_parts
from hasten.training.task import Data, Stop, Task, Update

VALID_SHARE = 0.2
LARGEST = 64
SMALLEST = 8
WIDTHS = (32, 64, 128)
_CHUNK = 1024


@dataclass(frozen=True)
class Images(Dataset[Batch]):
    """Images of a store as (channels, height, width) float32 of mean 0 and standard deviation 1 per color.

    Args:
        samples: "image", (height, width, 3) uint8, and "label" of some samples of a store.
        mean: (3, 1, 1), from the training images, of pixels from 0 to 255.
        std: (3, 1, 1).
    """

    samples: StoreSamples
    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Batch:
        image, label = self.take(torch.tensor([index]))
        return image[0], label[0]

    def take(self, ids: Tensor) -> Batch:
        """Return the images of `ids` as (batch, 3, height, width) and their labels, by one gather."""
        pixels, labels = self.samples.take(ids)
        return ((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std).contiguous(), labels


def model(classes: int) -> nn.Module:
    """Return a CNN of three convolutions with batch norm for color images of any size, 94,000 parameters."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((3, *WIDTHS), WIDTHS, strict=False):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], classes))


def task(
    *,
    data: Path,
    size: int | None = None,
    batch_size: int = 64,
    lr: float = 1e-3,
    target: float | None = None,
    epochs: int = 15,
    on_bad: OnBad = "raise",
) -> Task:
    """Return the task: tell the classes of a folder of images apart.

    Where the source has a part for training and one for validation, they are used. Else a fifth of the training part
    (of everything, where there are no parts), each class with its share, is for validation. A test part is not used.

    Args:
        data: a folder with one folder per class, an archive of such, a folder of such archives, or a store that `hasten
            pack` made of one of those.
        size: the side in pixels of the squares to scale to; where None, that of the first image, at most 64, or the
            images as they are packed.
        batch_size: images per update.
        lr: learning rate of AdamW.
        target: validation accuracy at which training ends; None to make all epochs.
        epochs: passes over the training images at most.
        on_bad: whether an image that cannot be decoded, a file outside of all classes and a class without files are
            errors or left out and noted.

    Raises:
        BadInput: if there are no classes, or the cache cannot be written; under "raise", also what `on_bad` names.
    """
    images = find_images(data, on_bad=on_bad)
    store = _store(images, size, on_bad)
    labels = store.take("label", torch.arange(len(store))).numpy()
    train, valid = map(torch.from_numpy, learning_parts(splits_of(store), labels, VALID_SHARE))
    mean, std = _statistics(store, train)
    classes = len(images.classes)
    return Task(
        name="images",
        data=Data(
            train=Images(StoreSamples(store, ("image", "label"), train), mean, std),
            valid=Images(StoreSamples(store, ("image", "label"), valid), mean, std),
            names=Names(classes=images.classes),
        ),
        model=lambda: model(classes),
        metric="accuracy",
        update=Update(optimizer="adamw", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
        notes=(
            *left_out_notes(data, store.manifest.skipped),
            *other_files_notes(data, images.ignored),
            *images.remarks,
        ),
    )


def _store(images: ImageSource, size: int | None, on_bad: OnBad) -> Store:
    """Return the images as pixels of one size: as they are packed, or from the cache."""
    if isinstance(images, StoredImages) and _are_fit(images.shape, size):
        return images.store
    side = size or _side(images, on_bad)
    _check_side(images, side)
    return cached(pack_images(images, size=side, on_bad=on_bad), cache_folder() / "stores")


def _are_fit(shape: tuple[int, ...] | None, size: int | None) -> bool:
    """Return whether packed images can be used as they are: colors, of the size that was asked for, if any was."""
    if shape is None or shape[2] != 3 or min(shape[:2]) < SMALLEST:
        return False
    return size is None or shape[:2] == (size, size)


def _check_side(images: ImageSource, side: int) -> None:
    if side < SMALLEST:
        raise BadInput(
            f"{images.source} must have images of at least {SMALLEST} x {SMALLEST} pixels; found {side} x {side}."
        )


def _side(images: ImageSource, on_bad: OnBad) -> int:
    """Return the shorter side of the first image, but not more than what a small CNN is quick on."""
    for _, image in decode_all(images, on_bad=on_bad, skipped=[]):
        return min(*image.shape[:2], LARGEST)
    raise BadInput(f"{images.source} must hold at least one image that can be decoded; found none.")


def _statistics(store: Store, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each color over these images, (3, 1, 1) each."""
    counts = np.zeros((3, 256), np.int64)
    for part in ids.split(_CHUNK):
        pixels = store.take("image", part).numpy()
        for color in range(3):
            counts[color] += np.bincount(pixels[..., color].reshape(-1), minlength=256)
    values = np.arange(256)
    mean = counts @ values / counts.sum(axis=1)
    square = counts @ values**2 / counts.sum(axis=1)
    std = np.sqrt(square - mean**2)
    std[std == 0] = 1
    return _per_color(mean), _per_color(std)


def _per_color(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).reshape(3, 1, 1)

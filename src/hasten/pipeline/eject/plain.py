"""Functions in the few lines that a script of one's own needs; stand-ins for hasten's own when it is copied.

Readers read what hasten reads, but say little about files that are damaged; batches are what a script has: a tuple or a
dict of tensors; changes of images do not reuse memory.
"""

import bz2
import dataclasses
import functools
import gzip
import lzma
import math
import operator
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, optim
from torch.nn import functional as F

from hasten.data.batch import TARGETS


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed if its name says that it is compressed."""
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    with openers.get(path.suffix, open)(path, "rb") as file:
        return file.read()


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8."""
    return read_bytes(path).decode("utf-8-sig")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file of bytes: a header of 4 + 4 x dimensions bytes, then the values."""
    content = read_bytes(path)
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4).tolist()
    return np.frombuffer(content, np.uint8, math.prod(shape), offset=4 + 4 * len(shape)).reshape(shape).copy()


def check_labels(labels: NDArray[Any], *, num_samples: int, num_classes: int, where: str) -> None:
    """Raise an error unless there is one label per sample, each the number of a class."""
    if len(labels) != num_samples or labels.max() >= num_classes:
        raise ValueError(f"{where} must hold {num_samples} labels below {num_classes}.")


def map_tensors(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch with a change made to every tensor."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {name: map_tensors(one, change) for name, one in batch.items()}
    if isinstance(batch, tuple | list):
        parts = [map_tensors(one, change) for one in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def to_device(batch: Any, device: str) -> Any:
    """Return a batch with all that has a method `to` on a device."""
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, dict):
        return {name: to_device(one, device) for name, one in batch.items()}
    if isinstance(batch, tuple | list):
        parts = [to_device(one, device) for one in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        names = [one.name for one in dataclasses.fields(batch)]
        return dataclasses.replace(batch, **{name: to_device(getattr(batch, name), device) for name in names})
    return batch


@contextmanager
def preserved() -> Generator[None]:
    """Leave the random generators of Python, numpy and torch as they were found."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def target_place(batch: Any) -> Any:
    """Return the position or key of the target in a batch; None if it has none."""
    if isinstance(batch, dict):
        return next((name for name in TARGETS if name in batch), None)
    return len(batch) - 1 if len(batch) > 1 else None


def first_input(batch: Any) -> Tensor:
    """Return the first tensor that the model is called with."""
    return next(batch[place] for place in places(batch) if place != target_place(batch))


def target_of(batch: Any) -> Tensor:
    """Return what the model's output is compared with."""
    return batch[target_place(batch)]


def with_first_input(batch: Any, value: Tensor) -> Any:
    """Return a batch with its first input replaced."""
    return with_part(batch, next(place for place in places(batch) if place != target_place(batch)), value)


def with_target(batch: Any, target: Tensor) -> Any:
    """Return a batch with its target replaced."""
    return with_part(batch, target_place(batch), target)


def map_inputs(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch with a change made to every tensor but the target."""
    for place in places(batch):
        if place != target_place(batch):
            batch = with_part(batch, place, change(batch[place]))
    return batch


def places(batch: Any) -> list[Any]:
    """Return the positions or keys of the tensors of a batch."""
    return list(batch if isinstance(batch, dict) else range(len(batch)))


def with_part(batch: Any, place: Any, value: Tensor) -> Any:
    """Return a batch with one tensor replaced."""
    if isinstance(batch, dict):
        return {**batch, place: value}
    return (*batch[:place], value, *batch[place + 1 :])


def flip(images: Tensor, flipped: Tensor) -> Tensor:
    """Return the images, those with `flipped` (batch,) bool mirrored left to right."""
    return torch.where(flipped.to(images.device).view(-1, 1, 1, 1), images.flip(2), images)


def resize(images: Tensor, boxes: Tensor, *, size: int) -> Tensor:
    """Return one box of each image scaled to size x size, bilinear and antialiased."""
    direct, out = (
        images.is_cpu or images.is_floating_point(),
        images.new_empty(len(images), size, size, images.shape[3]),
    )
    for place, (top, bottom, left, right) in enumerate(boxes.tolist()):
        part = images[place, None, top:bottom, left:right].permute(0, 3, 1, 2)
        scaled = F.interpolate(part if direct else part.float(), (size, size), mode="bilinear", antialias=True)
        scaled = scaled[0].permute(1, 2, 0)
        out[place] = scaled if direct else scaled.round().clamp(0, 255)
    return out


class Data(NamedTuple):
    """Training and validation data."""

    train: Any
    valid: Any = None
    collate: Any = None
    workers: int = 0
    steps_per_epoch: int | None = None


class Optimizers(optim.Optimizer):
    """Several optimizers as one, which updates with each in their order."""

    def __init__(self, members: dict[str, optim.Optimizer]) -> None:
        # torch's own constructor would make groups and a state of this object's own.
        self.members, self.defaults = members, {}
        self._opt_called = True  # a scheduler would warn where the members are stepped one by one

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The parameter groups of all."""
        return [group for one in self.members.values() for group in one.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        for one in self.members.values():
            one.zero_grad(set_to_none)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update with each."""
        for one in self.members.values():
            one.step()


class Loss:
    """The loss of some samples: a sum of terms, what its mean divides by, and the mean."""

    def __init__(self, sum: Any, count: Any, mean: Any = None, parts: Any = None) -> None:  # noqa: A002
        self.count, self.mean = count, sum / count if mean is None else mean

    @classmethod
    def of_mean(cls, mean: Tensor, count: Any, parts: Any = None) -> "Loss":
        """Return the loss of a mean over `count` terms."""
        return cls(None, count, mean)


def loss_in(returned: Any) -> Tensor:
    """Return the loss that a step returned: a mean, alone or with its count, or named terms, which are added up."""
    mean = returned[0] if isinstance(returned, tuple) else returned
    terms = mean.values() if isinstance(mean, dict) else [mean]
    scalars = (one.detach().reshape(()) if isinstance(one, Tensor) else torch.tensor(float(one)) for one in terms)
    return functools.reduce(operator.add, scalars)


STAND_INS: dict[tuple[str, str], str] = {
    ("hasten.data.sources.content", "read_bytes"): "read_bytes",
    ("hasten.data.sources.content", "read_text"): "read_text",
    ("hasten.data.sources.source", "read_prose"): "read_text",
    ("hasten.data.sources.idx", "read_idx"): "read_idx",
    ("hasten.data.tables.labels", "check_labels"): "check_labels",
    **{
        ("hasten.data.batch", name): name
        for name in ("map_tensors", "map_inputs", "first_input", "with_first_input", "target_of", "with_target")
    },
    ("hasten.training.loss", "Loss"): "Loss",
    ("hasten.training.task", "Data"): "Data",
    ("hasten.data.augmentation.images", "flip"): "flip",
    ("hasten.data.augmentation.images", "resize"): "resize",
}
"""(module, name) of hasten -> name in this module."""

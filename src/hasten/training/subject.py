"""The facts that refusals and techniques may ask of what is trained, without knowing who brought it."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate

from hasten.base.device import Device
from hasten.base.errors import Refused
from hasten.base.seeds import preserved
from hasten.data.batch import Batch, map_tensors
from hasten.data.loading.loaders import Collated, Loader
from hasten.data.loading.sample_randomness import Collate
from hasten.data.loading.streams import Stream, first_of_stream
from hasten.training.loss import LossFunction

T = TypeVar("T")


class Newest:
    """The newest results of what is expensive to make, by the objects that they are made of."""

    # Slots: what describes objects by their attributes must not see what happens to be cached.
    __slots__ = ("_kept", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # The parts are kept with the result, so that no later object can have the id of one of them.
        self._kept: dict[Hashable, tuple[Sequence[object], Any]] = {}

    def get(self, parts: Sequence[object], number: int, make: Callable[[], T]) -> T:
        """Return what was made of the same objects and the same number, or make it; drop the oldest above the limit."""
        key = (*map(id, parts), number)
        _, made = self._kept.pop(key, None) or (parts, make())
        self._kept[key] = (parts, made)
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]
        return made


class Examples:
    """Example models and batches that the recipes of one training share."""

    __slots__ = ("batches", "models")

    def __init__(self) -> None:
        self.models = Newest(2)  # the plain one and that of the plan: each takes the memory of its parameters
        self.batches = Newest(6)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is trained, as far as it is known: facts that may be None, and examples that are made when asked for.

    Args:
        name: for messages.
        seed: of initialization, data order and dropout.
        loss: as the recipe computes it.
        train: the data set that is trained on.
        valid: the data set that is validated on, read in its own order.
        stream: the training data where they come as batches, whose samples cannot be read by their ids.
        collate: makes a batch of its samples.
        given: the person's own `DataLoader`, where the training data are one.
        train_samples: samples of an epoch.
        valid_samples: length of `valid`.
        batch_size: samples per update.
        full_batch: whether every update uses all samples, whatever their number.
        device: that the training is on.
        epoch_steps: updates of an epoch.
        planned_steps: updates that the stop rules allow at most; None where only time ends the run.
        seconds: wall-clock budget.
        reader: the loader that reads by ids as the training does today.
        build: build the model on the CPU, as the training starts with it.
        model_parts: the objects that the model depends on; with the same ones it is the same.
        load: load the first so many training samples as one batch on the CPU, prepared as the model takes them.
        batch_parts: the objects that a batch depends on.
        examples: where built models and loaded batches are kept.
    """

    name: str
    seed: int = 0
    loss: LossFunction | None = None
    train: Dataset[Any] | None = None
    valid: Dataset[Any] | None = None
    stream: Stream | None = None
    collate: Collate = default_collate
    given: DataLoader[Any] | None = None
    train_samples: int | None = None
    valid_samples: int | None = None
    batch_size: int | None = None
    full_batch: bool = False
    device: Device = field(default_factory=Device)
    epoch_steps: int | None = None
    planned_steps: int | None = None
    seconds: float | None = None
    reader: Loader | None = None
    build: Callable[[], nn.Module] | None = None
    model_parts: tuple[object, ...] = ()
    load: Callable[[int], Batch] | None = None
    batch_parts: tuple[object, ...] = ()
    examples: Examples = field(default_factory=Examples, repr=False, compare=False)

    @property
    def has_length(self) -> bool:
        """Whether it is known when the run ends at the latest, so that its progress is known."""
        return self.planned_steps is not None or self.seconds is not None

    @property
    def steps_per_epoch(self) -> int | None:
        """Updates in one pass over the training data."""
        if self.epoch_steps is not None or self.train_samples is None or self.batch_size is None:
            return self.epoch_steps
        return -(-self.train_samples // self.batch_size)

    def train_data(self) -> Dataset[Any]:
        """Return the training data.

        Raises:
            Refused: if they are unknown, or cannot be read by their ids.
        """
        if self.stream is not None:
            raise Refused(f"{self.stream.reason}, so samples cannot be read by their ids.")
        return self._known(self.train, "training data")

    def valid_data(self) -> Dataset[Any]:
        """Return the validation data.

        Raises:
            Refused: if they are unknown.
        """
        return self._known(self.valid, "validation data")

    def datasets(self) -> tuple[Dataset[Any], ...]:
        """Return the data sets whose samples are read by their ids: for training, and for validation where it has.

        Raises:
            Refused: if the training data are unknown, or cannot be read by their ids.
        """
        return (self.train_data(),) if self.valid is None else (self.train_data(), self.valid)

    def model(self) -> nn.Module:
        """Return the example model, on the CPU, to read: it is shared, so neither change it nor run it.

        It is built once; the global generators stay untouched.

        Raises:
            Refused: if nobody knows how to build it.
        """
        return self.examples.models.get(self.model_parts, self.seed, self.fresh_model)

    def fresh_model(self) -> nn.Module:
        """Return an example model of the caller's own, on the CPU, to run and to change.

        It is built anew, since not every model can be copied; the global generators stay untouched.

        Raises:
            Refused: if nobody knows how to build it.
        """
        build = self._known(self.build, "way to build the model")
        with preserved():
            return build()

    def batch(self, samples: int = 2) -> Batch:
        """Return the first training samples, or all if there are fewer, as the model takes them, on the CPU.

        They are loaded once; the tensors are the caller's own. The global generators stay untouched.

        Raises:
            Refused: if nobody knows how to load them.
        """
        load = self._known(self.load, "way to load a batch")
        return self._loaded(self.batch_parts, samples, load)

    def raw_batch(self, samples: int) -> Batch:
        """Return the first training samples as the data set has them; otherwise as `batch`.

        Raises:
            Refused: if the training data are unknown.
        """
        if (stream := self.stream) is not None:
            return self._loaded((stream.source,), samples, lambda size: first_of_stream(stream, size))
        data = self.train_data()
        loader = Collated(self.collate)
        return self._loaded((data, self.collate), samples, lambda size: first_samples(data, loader, size))

    def _loaded(self, parts: tuple[object, ...], samples: int, load: Callable[[int], Batch]) -> Batch:
        size = samples if self.train_samples is None else min(samples, self.train_samples)
        with preserved():
            return map_tensors(self.examples.batches.get(parts, size, lambda: load(size)), Tensor.clone)

    def _known(self, value: T | None, what: str) -> T:
        if value is None:
            raise Refused(f"{self.name!r} gives no {what}.")
        return value


def first_samples(data: Dataset[Any], loader: Loader, samples: int) -> Batch:
    """Return the first samples of a data set as one batch of a loader."""
    _, batch = next(iter(loader(data, samples)(torch.arange(samples))))
    return batch


def planned_steps(steps: int | None, epochs: int | None, per_epoch: int | None) -> int | None:
    """Return how many updates stop rules allow at most, or None where only time ends the run."""
    limits = [steps, epochs * per_epoch if epochs and per_epoch else None]
    return min((limit for limit in limits if limit is not None), default=None)

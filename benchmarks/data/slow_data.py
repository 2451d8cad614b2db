"""Data sets, loaders and changes of batches that are dear for one reason each."""

import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.profiling.faults import spin
from hasten.data.augmentation.draws import Draws
from hasten.data.batch import Batch
from hasten.data.loading.loaders import Fetch, Fetched, Loader

SAMPLES, WIDTH, BATCH = 4096, 256, 128
WORKERS = 4  # of which one has the work, where it is skewed


class Sometimes:
    """Waits at one call out of `every`."""

    def __init__(self, seconds: float, every: int) -> None:
        self.seconds, self.every, self.calls = seconds, every, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls % self.every == 0:
            time.sleep(self.seconds)


class FromPixels(nn.Module):
    """Takes (batch, height, width, 3) uint8 as images of 32 x 32 from -2 to 2, so that this is no part of the data."""

    def forward(self, x: Tensor) -> Tensor:
        images = x.permute(0, 3, 1, 2).float().sub_(127.5).mul_(1 / 64)
        return nn.functional.avg_pool2d(images, x.shape[1] // 32)


class Encoded(Dataset[tuple[Tensor, Tensor]]):
    """Images that are decoded whenever they are read."""

    def __init__(self, contents: list[bytes], labels: Tensor) -> None:
        self.contents, self.labels = contents, labels

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        with Image.open(io.BytesIO(self.contents[index])) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))), self.labels[index]


def usual(**options: Any) -> Loader:
    """Return the usual loader with options of torch's `DataLoader`."""

    def loader(dataset: Dataset[Any], batch_size: int) -> Fetch:
        def fetch(ids: Tensor) -> Iterator[Fetched]:
            batches = DataLoader(dataset, batch_size, sampler=ids.tolist(), **options)
            return zip(ids.split(batch_size), map(tuple, batches), strict=True)

        return fetch

    return loader


def through_lists(samples: list[Batch]) -> Batch:
    """Put samples together number by number."""
    return torch.tensor([sample[0].tolist() for sample in samples]), torch.stack([sample[1] for sample in samples])


def one_by_one_copied(samples: list[Batch]) -> Batch:
    """Pad each sample to the longest, part by part."""
    batch = torch.zeros(len(samples), max(len(sample[0]) for sample in samples))
    for row, (values, _) in enumerate(samples):
        for start in range(0, len(values), 32):
            batch[row, start : start + 32] = values[start : start + 32]
    return batch, torch.stack([sample[1] for sample in samples])


class InFields(Dataset[Batch]):
    """Samples of many small fields."""

    def __init__(self, of: TensorDataset, fields: int) -> None:
        self.rows, self.labels = [row.chunk(fields) for row in of.tensors[0]], of.tensors[1]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        return (*self.rows[index], self.labels[index])


def joined(batch: Batch) -> Batch:
    """Join the fields of a batch."""
    return torch.cat(batch[:-1], 1), batch[-1]


class Scored(Dataset[tuple[Tensor, Tensor]]):
    """Features that Python computes one by one whenever a sample is read."""

    def __init__(self, numbers: int) -> None:
        self.numbers, self.labels = numbers, torch.arange(SAMPLES) % 10

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        values = torch.zeros(WIDTH)
        values[: self.numbers] = torch.tensor(scores(index, self.numbers))
        return values, self.labels[index]


def scores(index: int, numbers: int) -> list[float]:
    """Return some numbers by a loop in Python."""
    found, state = list[float](), index
    for _ in range(numbers):
        state = (1103515245 * state + 12345) % 2**31
        found.append(state / 2**31)
    return found


class Noise:
    """Adds noise several times."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Return the batch with noise."""
        x = batch[0]
        for place in range(self.rounds):
            x = x + 0.01 * draws.within(place).normal("noise", x.shape[1])
        return x, *batch[1:]


def row_by_row(batch: Batch) -> Batch:
    """Standardize each sample on its own."""
    return torch.stack([(row - row.mean()) / row.std() for row in batch[0]]), *batch[1:]


def on_eight(width: int) -> nn.Module:
    """Return a perceptron on eight features."""
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


class Uneven(Dataset[Batch]):
    """Samples that are dear in the batches of one worker out of four, or a quarter as dear in all."""

    def __init__(self, of: Dataset[Any], seconds: float, *, spread: bool) -> None:
        self.of, self.seconds, self.spread = of, seconds, spread

    def __len__(self) -> int:
        return len(self.of)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Batch:
        if self.spread:
            spin(self.seconds / WORKERS)
        elif index // BATCH % WORKERS == 0:
            spin(self.seconds)
        return self.of[index]

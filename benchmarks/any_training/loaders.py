"""Ways to bring data: samplers, batch samplers, workers, iterable data sets, generators, an evaluation of one's own."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from benchmarks.any_training.training import STEPS, Training, adam, normal, plain_loop
from hasten import Data, Stop, Task, Update

SAMPLES = 70
STOP = Stop(steps=STEPS)
X = normal(SAMPLES, 6)
Y = (X[:, 0] > 0).long()
ARRAYS = TensorDataset(X, Y)


def model() -> nn.Module:
    """Return a perceptron with dropout."""
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def weighted() -> DataLoader[Any]:
    """Return a loader that draws the rarer class as often as the other."""
    weights = 1.0 / Y.bincount()[Y]
    return DataLoader(ARRAYS, 10, sampler=WeightedRandomSampler(weights.tolist(), 50))


class ByClass:
    """A batch sampler: as many samples of one class as of the other in each batch."""

    def __iter__(self) -> Iterator[list[int]]:
        """Yield seven batches."""
        ones, others = (
            group[torch.randperm(len(group))] for group in ((Y == 1).nonzero()[:, 0], (Y == 0).nonzero()[:, 0])
        )
        for number in range(len(self)):
            chosen = slice(4 * number, 4 * number + 4)
            yield [*ones[chosen].tolist(), *others[chosen].tolist()]

    def __len__(self) -> int:
        return 7


def batch_sampler() -> DataLoader[Any]:
    """Return a loader with a batch sampler of one's own."""
    return DataLoader(ARRAYS, batch_sampler=ByClass())


class Noisy(Dataset[Any]):
    """Samples with augmentation that draws from the global generator."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return X[index] + 0.1 * torch.randn(6), Y[index]


def augmented() -> DataLoader[Any]:
    """Return a loader of randomly changed samples, with a generator of its own."""
    return DataLoader(Noisy(), 8, shuffle=True, drop_last=True, generator=torch.Generator().manual_seed(7))


def with_workers() -> DataLoader[Any]:
    """Return a loader with worker processes."""
    return DataLoader(Noisy(), 8, shuffle=True, num_workers=2)


class Stream(IterableDataset[Any]):
    """Samples one after the other, without a length."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the samples in a new order."""
        for index in torch.randperm(SAMPLES).tolist():
            yield X[index], Y[index]


def iterable() -> DataLoader[Any]:
    """Return a loader of an iterable data set."""
    return DataLoader(Stream(), 8)


def generator() -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of one pass; their sizes differ."""
    for rows in torch.arange(SAMPLES).tensor_split(9):
        yield X[rows], Y[rows]


class EachPass:
    """An iterable that calls the generator for each pass."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of a pass."""
        return generator()


class Endless:
    """Batches without an end."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of eight random samples."""
        while True:
            rows = torch.randint(SAMPLES, (8,))
            yield X[rows], Y[rows]


def classifier(name: str, by_hand: Iterable[Any], data: Data) -> Training:
    """Return the training of a classifier on data in one of these forms."""
    return Training(
        name,
        lambda: plain_loop(model, adam, by_hand, lambda net, batch: F.cross_entropy(net(batch[0]), batch[1])),
        lambda: Task(name=name, data=data, model=model, update=Update(optimizer=adam), stop=STOP),
    )


def own_evaluation() -> Training:
    """A task without validation data, whose owner evaluates himself."""

    def validate(net: nn.Module) -> dict[str, float]:
        scores = net(X[:20])
        return {
            "error": float((scores.argmax(1) != Y[:20]).float().mean()),
            "loss": float(F.cross_entropy(scores, Y[:20])),
        }

    return Training(
        "own-evaluation",
        lambda: plain_loop(
            model,
            adam,
            DataLoader(ARRAYS, 10, shuffle=True),
            lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
        ),
        lambda: Task(
            name="own-evaluation",
            data=Data(train=DataLoader(ARRAYS, 10, shuffle=True)),
            model=model,
            validate=validate,
            metric="error",
            higher_is_better=False,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


TRAININGS = (
    classifier("weighted-sampler", weighted(), Data(train=weighted(), valid=ARRAYS)),
    classifier("batch-sampler", batch_sampler(), Data(train=batch_sampler(), valid=ARRAYS)),
    classifier("augmented-samples", augmented(), Data(train=augmented(), valid=DataLoader(ARRAYS, 16))),
    classifier("loader-workers", with_workers(), Data(train=with_workers(), valid=ARRAYS)),
    classifier("iterable-data-set", iterable(), Data(train=iterable(), valid=ARRAYS)),
    classifier("generator-function", EachPass(), Data(train=generator, valid=ARRAYS)),
    classifier("endless-stream", Endless(), Data(train=Endless(), valid=ARRAYS, steps_per_epoch=20)),
    own_evaluation(),
)

"""Every way in which a data set can be fetched, and the one that is the fastest here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from hasten.base.device import Device
from hasten.data.batch import tensors_of, to_device
from hasten.data.loading.choose import Choice, fastest
from hasten.data.loading.decode import in_threads
from hasten.data.loading.gather import why_not
from hasten.data.loading.loaders import Collated, Fetch, Fetched, Loader, collated, gathered, of_epoch
from hasten.data.loading.resident import fits, resident
from hasten.data.loading.sample_randomness import Collate, drawn_from
from hasten.data.loading.workers import AHEAD, Workers

BUDGET_S = 0.4
_PROBE_BATCHES = 500
_SLOW_BATCH_S = 0.02
_FIRST_LOOK = 4  # samples

OWN, GATHER, RESIDENT, THREADS, PROCESS = "own data set", "gather", "resident", "threads", "process"


def tiers(
    dataset: Dataset[Any], *, device: str, threads: int, share: float, collate: Collate = default_collate
) -> dict[str, Loader]:
    """Return the ways in which a data set can be fetched, by name; all yield the same batches.

    Args:
        dataset: map-style.
        device: where the run trains.
        threads: for the tiers that decode with threads.
        share: of the free memory of a GPU that the data may take.
        collate: makes a batch of its samples; only torch's own leaves the gathers.
    """
    found: dict[str, Loader] = {OWN: Collated(collate)}
    if collate is default_collate and why_not(dataset) is None:
        found[GATHER] = gathered
        if not Device(device).is_host and fits(dataset, device=device, share=share):
            found[RESIDENT] = partial(resident, device=device)
    if not drawn_from(dataset, collate):  # threads would draw from one generator in no fixed order
        found[THREADS] = partial(in_threads, threads=threads, collate=collate)
    found[PROCESS] = Workers(1, threads, collate)
    return found


@dataclass(frozen=True)
class Picked:
    """A fetch that was picked by timing, with what was measured."""

    fetch: Fetch
    choice: Choice

    def __call__(self, ids: Tensor) -> Iterator[Fetched]:
        return self.fetch(ids)

    def of_epoch(self, seed: int) -> "Picked":
        """Return the fetch of an epoch whose random numbers come from `seed`."""
        return replace(self, fetch=of_epoch(self.fetch, seed))


@dataclass(frozen=True)
class FastestTier:
    """A loader that times every tier for under a second and is from then on the fastest.

    A data set of the same kind, whose samples have the same shapes (that for validation), is not timed again.

    Args:
        device: where the run trains; a batch counts as fetched when it is there.
        threads: for the tiers that decode with threads.
        share: of the free memory of a GPU that the data may take.
        collate: makes a batch of its samples.
    """

    device: str
    threads: int
    share: float
    collate: Collate = default_collate
    _known: dict[object, Choice] = field(default_factory=dict[object, Choice], compare=False, repr=False)

    def __call__(self, dataset: Dataset[Any], batch_size: int) -> Picked:
        ways = tiers(dataset, device=self.device, threads=self.threads, share=self.share, collate=self.collate)
        kind = (type(dataset), tuple(ways), _form(dataset, self.collate))
        if kind not in self._known:
            self._known[kind] = timed(dataset, batch_size, ways, device=self.device)
        choice = self._known[kind]
        return Picked(ways[choice.name](dataset, batch_size), choice)


def timed(dataset: Dataset[Any], batch_size: int, ways: Mapping[str, Loader], *, device: str) -> Choice:
    """Return which tier is the fastest, found in under a second where a sample takes less than 10 ms.

    Batches whose samples are slow to make are timed at a smaller size.

    Args:
        dataset: map-style.
        batch_size: samples in a batch.
        ways: the tiers by name.
        device: where the batches are to be.
    """
    size = len(dataset)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    begin = perf_counter()
    for index in torch.randint(size, (_FIRST_LOOK,), generator=generator).tolist():
        dataset[index]
    sample_s = (perf_counter() - begin) / _FIRST_LOOK
    batch = max(1, min(batch_size, int(_SLOW_BATCH_S / max(sample_s, 1e-9))))
    ids = torch.randint(size, (batch * _PROBE_BATCHES,), generator=generator)
    starts = {name: partial(_delivered, loader(dataset, batch), ids, device=device) for name, loader in ways.items()}
    return fastest(starts, budget_s=BUDGET_S, ahead={PROCESS: AHEAD})


def _delivered(fetch: Fetch, ids: Tensor, *, device: str) -> Iterator[Fetched]:
    """Yield what is fetched once it is on the device."""
    for own, batch in fetch(ids):
        there = to_device(batch, device)
        Device(device).synchronize()
        yield own, there


def _form(dataset: Dataset[Any], collate: Collate) -> tuple[object, ...]:
    sample = tensors_of(collated(collate([dataset[0]])))
    return tuple((tensor.dtype, tuple(tensor.shape)) for tensor in sample)

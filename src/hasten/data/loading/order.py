"""The order of the samples: a pure function of (seed, epoch), so that a run can stop and go on anywhere."""

from typing import Protocol

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.seeds import derive


class Order(Protocol):
    """The order of one epoch, in which each sample stands once."""

    def __call__(self, num_samples: int, *, seed: int, epoch: int) -> Tensor:
        """Return the ids 0 ... num_samples - 1 in the order of the epoch, (num_samples,) int64."""
        ...


def shuffled(num_samples: int, *, seed: int, epoch: int) -> Tensor:
    """Return the ids 0 ... num_samples - 1 in the random order of one epoch.

    The global generators are neither read nor advanced.

    Returns:
        (num_samples,) int64; the same on every machine for the same torch version.
    """
    return torch.randperm(num_samples, generator=_generator(seed, epoch))


def sequential(num_samples: int) -> Tensor:
    """Return the ids 0 ... num_samples - 1 in their own order, (num_samples,) int64."""
    return torch.arange(num_samples)


def block_shuffled(num_samples: int, *, seed: int, epoch: int, block: int, blocks: int) -> Tensor:
    """Return the ids in an order that reads a disk in long stretches: shuffled blocks, shuffled again inside a window.

    Runs of `block` neighboring samples keep together and come in random order; every `blocks` of them, which fit in
    memory, are one window, whose samples are shuffled among each other.

    Args:
        num_samples: how many samples there are.
        seed: of the run.
        epoch: which pass.
        block: samples that lie side by side on the disk.
        blocks: of a window.

    Returns:
        (num_samples,) int64.
    """
    generator = _generator(seed, epoch)
    parts = torch.arange(num_samples).split(block)
    places = torch.randperm(len(parts), generator=generator).tolist()
    windows = [torch.cat([parts[place] for place in places[at : at + blocks]]) for at in range(0, len(places), blocks)]
    mixed = [window[torch.randperm(len(window), generator=generator)] for window in windows]
    return torch.cat(mixed) if mixed else torch.arange(0)


def bucketed(order: Tensor, lengths: Tensor, *, batch_size: int, batches: int, seed: int, epoch: int) -> Tensor:
    """Return an order in which samples of similar length stand together, so that a batch of them needs little padding.

    Stretches of `batches` batches are sorted by length and cut into batches; then all batches but the last, which may
    be smaller, change places at random. The samples of a stretch stay random: which they are comes from `order`.

    Args:
        order: (n,) int64, the random order of the epoch.
        lengths: (n,) of each sample, by its id.
        batch_size: samples in a batch.
        batches: of a stretch.
        seed: of the run.
        epoch: which pass.

    Returns:
        (n,) int64.
    """
    by_length = [part[lengths[part].argsort(stable=True)] for part in order.split(batch_size * batches)]
    groups = torch.cat(by_length).split(batch_size) if by_length else ()
    full = [group for group in groups if len(group) == batch_size]
    generator = torch.Generator().manual_seed(derive(seed, "buckets", epoch))
    places = torch.randperm(len(full), generator=generator).tolist()
    rest = [group for group in groups if len(group) != batch_size]
    return torch.cat([*(full[place] for place in places), *rest]) if groups else order


def sharded(ids: Tensor, *, rank: int, world: int) -> Tensor:
    """Return the part of one of `world` processes: every `world`-th id from `rank` on, none twice, none left out.

    Of a global batch each process takes its part, so the batch is the same however many processes make it, and the
    place of a run, which counts the samples of all, holds for any number of them. In evaluation parts may differ by one
    sample in length; nobody pads.

    Args:
        ids: (n,) of a batch, or of all samples to evaluate.
        rank: of the process, from 0.
        world: how many processes there are.

    Raises:
        BadInput: if there is no such process.
    """
    if not 0 <= rank < world:
        raise BadInput(f"the rank must be from 0 to {world - 1}, one less than the number of processes; found {rank}.")
    return ids[rank::world]


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, "order", epoch))

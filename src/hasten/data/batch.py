"""What a batch is: the only module that knows that it is a tuple of tensors with the target last."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Batch: TypeAlias = tuple[Tensor, ...]
"""What one step sees: the inputs of the model and the target, with samples along the first dimension of each tensor."""


def batch_of(tensors: Iterable[Tensor]) -> Batch:
    """Return the columns of a data set as a batch, the target last."""
    return tuple(tensors)


def inputs_of(batch: Batch) -> tuple[Tensor, ...]:
    """Return the arguments of the model."""
    return batch[:-1]


def first_input(batch: Batch) -> Tensor:
    """Return the first argument of the model: the images, tokens or rows."""
    return batch[0]


def target_of(batch: Batch) -> Tensor:
    """Return what the model's output is compared with."""
    return batch[-1]


def size_of(batch: Batch) -> int:
    """Return the number of samples."""
    return len(batch[-1])


def tensors_of(batch: Batch) -> Iterator[Tensor]:
    """Yield every tensor, inputs first."""
    yield from batch


def nbytes_of(batch: Batch) -> int:
    """Return the bytes of all tensors together."""
    return sum(tensor.nbytes for tensor in batch)


def map_tensors(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return the batch with a change made to every tensor."""
    return tuple(map(change, batch))


def map_inputs(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return the batch with a change made to every input; the target stays."""
    return *map(change, batch[:-1]), batch[-1]


def with_first_input(batch: Batch, value: Tensor) -> Batch:
    """Return the batch with its first input replaced."""
    return value, *batch[1:]


def with_target(batch: Batch, target: Tensor) -> Batch:
    """Return the batch with its target replaced."""
    return *batch[:-1], target


def to_device(batch: Batch, device: str | torch.device, *, non_blocking: bool = False) -> Batch:
    """Return the batch on a device; the batch itself where it is there already."""
    return tuple(tensor.to(device, non_blocking=non_blocking) for tensor in batch)


def pinned(batch: Batch) -> Batch:
    """Return the batch in page-locked host memory; tensors of an accelerator stay where they are."""
    return tuple(tensor.pin_memory() if tensor.is_cpu else tensor for tensor in batch)


def select(batch: Batch, ids: Tensor | slice) -> Batch:
    """Return some samples of a batch."""
    return tuple(tensor[ids] for tensor in batch)


def split_batch(batch: Batch, size: int | None, *, unsafe: bool = False) -> tuple[Batch, ...]:
    """Return the batch in parts of at most `size` samples, or whole if it has no more than that.

    Args:
        batch: is shared by the parts, not copied.
        size: samples of a part.
        unsafe: let the parts be changed in place one by one, which autograd forbids for parts of one tensor; for
            batches that nothing else uses.
    """
    if size is None or size_of(batch) <= size:
        return (batch,)
    parts = torch.unsafe_split if unsafe else torch.split
    return tuple(zip(*(parts(tensor, size) for tensor in batch), strict=True))


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Return the samples of all batches as one batch."""
    return tuple(torch.cat(tensors) for tensors in zip(*batches, strict=True))


def stack(samples: Iterable[Sequence[Tensor]]) -> Batch:
    """Return samples as one batch; their tensors have no dimension of samples yet."""
    return tuple(torch.stack(tensors) for tensors in zip(*samples, strict=True))


def changed_in_turn(batch: Batch, changes: Iterable[Callable[[Batch], Batch]]) -> Batch:
    """Return the batch after one change after the other."""
    for change in changes:
        batch = change(batch)
    return batch

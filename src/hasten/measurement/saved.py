"""Activation memory: what the forward pass keeps for the backward pass."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

import torch
from torch.autograd.graph import saved_tensors_hooks

from hasten.measurement.tensors import storage_key, storages_in


def saved_bytes(forward: Callable[[], object], *, exclude: Iterable[torch.Tensor] = ()) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, every storage counted once.

    A view keeps its whole storage, and is counted so. What recomputation (checkpointing) does not keep is not counted.

    Args:
        forward: runs the forward pass with gradients on; may run the backward pass too.
        exclude: what is there anyway and only referred to: parameters, buffers, the batch.
    """
    total = 0

    def add(storage: torch.UntypedStorage) -> None:
        nonlocal total
        total += storage.nbytes()

    with each_saved_storage(add, exclude=exclude):
        forward()
    return total


@contextmanager
def each_saved_storage(
    see: Callable[[torch.UntypedStorage], None], *, exclude: Iterable[torch.Tensor] = ()
) -> Generator[None]:
    """Call `see` once with each storage that autograd saves inside, at the moment of saving.

    The storages stay alive until the end, so that none is mistaken for another at the same address.
    """
    seen = {storage_key(storage): storage for storage in storages_in(list(exclude))}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        for storage in storages_in(tensor):
            if storage_key(storage) not in seen:
                seen[storage_key(storage)] = storage
                see(storage)
        return tensor

    def unpack(tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    with saved_tensors_hooks(pack, unpack):
        yield

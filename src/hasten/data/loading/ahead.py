"""Fetch, copy, augment and prepare ahead of the step, on the CPU or on a stream of the GPU that is not the step's."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeAlias

import torch

from hasten.base.device import Device
from hasten.data.batch import Batch, pinned, tensors_of
from hasten.data.loading.loaders import Fetched
from hasten.data.loading.prefetch import prefetched

Make: TypeAlias = Callable[[Fetched], Batch]
"""Ids and what was fetched for them in -> the batch as the model takes it, on the device."""


def made_ahead(fetched: Iterator[Fetched], make: Make, *, depth: int, device: str) -> Iterator[Fetched]:
    """Yield ids and finished batches, up to `depth` of them made before they are asked for.

    Args:
        fetched: batches of the loader; runs in a thread.
        make: runs in the thread too, so it must not draw from the global random generators.
        depth: batches that may be ready at once.
        device: where the batches are to be.
    """
    place = Device(device)
    if not place.has_streams:
        return prefetched(_made(fetched, make), depth)
    return _after_the_copy(prefetched(_on_own_stream(fetched, make, place), depth))


def _made(fetched: Iterator[Fetched], make: Make) -> Generator[Fetched]:
    for ids, batch in fetched:
        yield ids, make((ids, batch))


_Copied: TypeAlias = tuple[Fetched, torch.Event]


def _on_own_stream(fetched: Iterator[Fetched], make: Make, device: Device) -> Generator[_Copied]:
    # Copies from pinned memory run beside the computation only on another stream than the computation's.
    with device.own_stream():
        for ids, batch in fetched:
            made = ids, make((ids, pinned(batch)))
            event = device.event()
            event.record()
            yield made, event


def _after_the_copy(copied: Generator[_Copied]) -> Generator[Fetched]:
    with closing(copied):
        for (ids, batch), event in copied:
            current = torch.accelerator.current_stream()
            current.wait_event(event)
            for tensor in tensors_of(batch):
                tensor.record_stream(current)  # the allocator must not give the memory away while the step reads it
            yield ids, batch

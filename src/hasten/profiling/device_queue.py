"""How host and GPU wait for each other: empty queues and synchronizations."""

import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from itertools import islice

import torch

from hasten.data.batch import Batch
from hasten.training.loop import step
from hasten.training.session import Session

_STEPS = 20
_WATCHED = 3


def queue_empty_share(run: Session, batches: Iterable[Batch]) -> float | None:
    """Return the share of steps at whose end the queue of the device is empty; None on a CPU."""
    if run.recipe.device.is_host:
        return None
    empty = 0
    for batch in islice(batches, _STEPS):
        step(run, batch)
        done = run.recipe.device.event()
        done.record()
        empty += done.query()
    return empty / _STEPS


def sync_points(run: Session, batches: Iterable[Batch]) -> float | None:
    """Return how many times a step makes the host wait for the device; None where the device cannot tell."""
    if not run.recipe.device.is_cuda:  # only CUDA tells
        return None
    with _told_of_synchronization(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for batch in islice(batches, _WATCHED):
            step(run, batch)
    return sum("synchroniz" in str(one.message) for one in said) / _WATCHED


@contextmanager
def _told_of_synchronization() -> Generator[None]:
    """Let torch warn of each synchronization; the mode is process-wide, so it is reset whatever happens."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
            torch.cuda.set_sync_debug_mode("warn")
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)

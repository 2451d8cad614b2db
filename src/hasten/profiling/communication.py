"""Time in collectives of `torch.distributed`, separated from the parts of the step that call them."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from hasten.training.loop import (
    BACKWARD,
    COMMUNICATION,
    EVALUATION,
    FORWARD,
    GRADIENT,
    INPUT,
    LOSS,
    OTHER,
    TRANSFER,
    UPDATE,
    Mark,
)

COLLECTIVES = (
    "all_gather",
    "all_gather_into_tensor",
    "all_gather_object",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "gather",
    "gather_object",
    "recv",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
    "scatter_object_list",
    "send",
)
"""Functions of `torch.distributed` in which a process may wait for others."""

_NEXT = {
    OTHER: INPUT,
    INPUT: TRANSFER,
    TRANSFER: FORWARD,
    FORWARD: LOSS,
    LOSS: BACKWARD,
    BACKWARD: GRADIENT,
    GRADIENT: UPDATE,
    UPDATE: EVALUATION,
    EVALUATION: EVALUATION,
}
"""The part that is under way after a mark of the loop."""


@contextmanager
def collectives_marked(mark: Mark, current: Callable[[], int]) -> Generator[None]:
    """Give what collectives take inside to "communication", and what came before each to the part under way.

    torch has no hook for them: until the end of the block the functions of `torch.distributed`, and `wait` of what
    those with `async_op=True` return, are replaced by ones that mark both ends. Functions that a program has imported
    by their names are not seen, nor is what `DistributedDataParallel` does in its backward pass: see `exposed_s`.

    Args:
        mark: says that the time since the mark before belongs to a part.
        current: returns the part that is under way.
    """
    if not dist.is_available():
        yield
        return
    inside = 0

    def marked(plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def collective(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:  # those of objects are made of those of tensors
                return plain(*args, **kwargs)
            mark(current())
            inside += 1
            try:
                return plain(*args, **kwargs)
            finally:
                inside -= 1
                mark(COMMUNICATION)

        return collective

    with ExitStack() as undo:
        for owner, name in [*((dist, name) for name in COLLECTIVES), (dist.Work, "wait")]:
            plain = getattr(owner, name)
            undo.callback(setattr, owner, name, plain)
            setattr(owner, name, marked(plain))
        yield


@contextmanager
def loop_marked(mark: Mark) -> Generator[Mark]:
    """Yield the marks for the loop: where processes train together, marks that tell collectives apart.

    Args:
        mark: says that the time since the mark before belongs to a part.
    """
    if not (dist.is_available() and dist.is_initialized()):
        yield mark
        return
    last = OTHER

    def followed(part: int) -> None:
        nonlocal last
        mark(part)
        last = part

    with collectives_marked(mark, lambda: _NEXT[last]):
        yield followed


def exposed_s(module: nn.Module) -> float:
    """Return the seconds per step that a `DistributedDataParallel` module waits for gradients of other processes.

    They begin when the last gradient has been computed here and end when the last sum has come; what is sent while the
    backward pass still computes costs nothing. From the module's own log, the mean over the steps that it has logged; 0
    for other modules. Call `log_every_step` before the steps.
    """
    if not isinstance(module, DistributedDataParallel):
        return 0.0
    log: Any = module._get_ddp_logging_data()  # torch offers no public way; a test pins it
    sent_ns = log.get("avg_backward_comm_time", 0) - log.get("avg_backward_compute_comm_overlap_time", 0)
    return max(sent_ns, 0) * 1e-9


def log_every_step(module: nn.Module) -> None:
    """Let a `DistributedDataParallel` module log the times of every step instead of every hundredth."""
    if isinstance(module, DistributedDataParallel):
        module._set_ddp_runtime_logging_sample_rate(1)

"""Parts of a profile that may fail while the rest goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from hasten.base.device import initialized
from hasten.base.errors import HastenError

Result = TypeVar("Result")

_MAY_HAPPEN = (RuntimeError, NotImplementedError, TypeError, ValueError, MemoryError, HastenError)


def attempted(what: str, measure: Callable[[], Result], remarks: list[str]) -> Result | None:
    """Return what `measure` gives; where it fails, note why in `remarks` and return None; see `or_reason`."""
    found = or_reason(measure)
    if isinstance(found, Reason):
        remarks.append(f"{what} could not be measured: {found.text}")
        return None
    return found


@dataclass(frozen=True)
class Reason:
    """Why something could not be measured, on one line."""

    text: str


def or_reason(measure: Callable[[], Result]) -> Result | Reason:
    """Return what `measure` gives, or the reason why it failed.

    Use it for what the training does not need: some operators cannot be watched, or need more memory when they are.
    `TimeIsUp` of a time limit around it passes through.
    """
    try:
        return measure()
    except _MAY_HAPPEN as error:
        if out_of_memory(error):
            if (device := initialized()) is not None:
                device.empty_cache()
            return Reason("out of memory")
        told = str(error) if isinstance(error, HastenError) else f"{type(error).__name__}: {error}"
        return Reason(told.splitlines()[0])


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means out of memory: Python's, the device's, or the CPU allocator's."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)

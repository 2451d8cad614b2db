"""Parts of a profile that may fail while the rest goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch

from hasten.base.device import initialized
from hasten.base.errors import HastenError, error_text

Result = TypeVar("Result")

Errors: TypeAlias = tuple[type[Exception], ...]

_MAY_HAPPEN: Errors = (RuntimeError, NotImplementedError, TypeError, ValueError, MemoryError, HastenError)
ANY: Errors = (Exception,)


def attempted(
    what: str, measure: Callable[[], Result], remarks: list[str], errors: Errors = _MAY_HAPPEN
) -> Result | None:
    """Return what `measure` gives; where it fails, note why in `remarks` and return None; see `or_reason`."""
    found = or_reason(measure, errors)
    if isinstance(found, Reason):
        remarks.append(f"{what} could not be measured: {found.text}")
        return None
    return found


@dataclass(frozen=True)
class Reason:
    """Why something could not be measured, on one line."""

    text: str


def or_reason(measure: Callable[[], Result], errors: Errors = _MAY_HAPPEN) -> Result | Reason:
    """Return what `measure` gives, or the reason why it failed.

    Use it for what the training does not need: some operators cannot be watched, or need more memory when they are.
    `TimeIsUp` of a time limit around it passes through.

    Args:
        measure: does it.
        errors: that are a reason; `ANY` where it runs the person's model on a batch that the loader did not make.
    """
    try:
        return measure()
    except errors as error:
        if out_of_memory(error):
            if (device := initialized()) is not None:
                device.empty_cache()
            return Reason("out of memory")
        return Reason(error_text(error))


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means out of memory: Python's, the device's, or the CPU allocator's."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)

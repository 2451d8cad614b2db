"""Whether a technique has an effect: what a step really did, and what a technique expects to find in it.

A technique says in a method `effect(seen) -> str | None` why it changed nothing, or None. `Seen` is one step of the
training as torch's profiler recorded it; to be recorded changes no result.
"""

import multiprocessing
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

from hasten.measurement.calls import PRODUCTS, Call, recorded


@dataclass
class Seen:
    """What one step did.

    Args:
        calls: of operators and autograd functions, in order.
        workers: processes that this one has started and that are running.
    """

    calls: tuple[Call, ...] = ()
    workers: int = field(default_factory=lambda: len(multiprocessing.active_children()))

    @cached_property
    def products(self) -> tuple[Call, ...]:
        """The calls that multiply matrices or convolve."""
        return tuple(call for call in self.calls if call.name in PRODUCTS)

    def called(self, *names: str) -> tuple[Call, ...]:
        """Return the calls whose names contain one of these texts."""
        return tuple(call for call in self.calls if any(name in call.name for name in names))

    def formats(self) -> dict[str, int]:
        """Return number format -> how many products had their first operands in it."""
        found: dict[str, int] = {}
        for call in self.products:
            name = next((one for one in reversed(call.formats[:2]) if one), "")
            found[name] = found.get(name, 0) + 1
        return found


@runtime_checkable
class Effective(Protocol):
    """A technique that can say whether it had an effect."""

    def effect(self, seen: Seen) -> str | None:
        """Return why it changed nothing in a step, naming what was seen instead; None where it had its effect."""
        ...


def has_check(technique: object) -> bool:
    """Return whether a technique says what its effect is."""
    return isinstance(technique, Effective)


def why_without_effect(technique: object, seen: Seen) -> str | None:
    """Return why a technique had no effect in a step, or None where it had one or cannot say."""
    return technique.effect(seen) if isinstance(technique, Effective) else None


@contextmanager
def watched(seen: Seen | None = None) -> Generator[Seen]:
    """Record one step, which the body makes; `seen` is filled when it ends."""
    seen = Seen() if seen is None else seen
    with recorded() as calls:
        yield seen
        seen.workers = len(multiprocessing.active_children())
    seen.calls = tuple(calls)


def products_in(seen: Seen, number_format: str) -> str | None:
    """Return why no product of a step ran in a number format, or None if one did."""
    found = seen.formats()
    if found.get(number_format):
        return None
    others = ", ".join(f"{count} in {name}" for name, count in sorted(found.items()))
    return f"no product of the step ran in {number_format} (found {others or 'no product'})"


def compiled_code(seen: Seen) -> str | None:
    """Return why the products of a step did not run in compiled code, or None if one did."""
    inside = [call for call in seen.calls if call.compiled]
    if not inside:
        return "no compiled code ran in the step: torch fell back to the plain functions"
    outside = [call for call in seen.products if not call.compiled]
    if outside and not any(call.compiled for call in seen.products):
        return f"all {len(outside)} products of the step ran outside of compiled code"
    return None


def kept_channels_last(seen: Seen) -> str | None:
    """Return why the convolutions of a step did not compute in channels-last layout, or None if they did.

    The first one gets its input as the batch has it; the layout has an effect if it reaches others too.
    """
    calls = [call for call in seen.calls if call.name == "aten::convolution" and len(call.shapes[0]) == 4]
    later = calls[1:] or calls
    kept = [call for call in later if _channels_innermost(call)]
    if kept or not later:
        return None if later else "the step has no 2-dimensional convolution"
    after = " after the first" if len(calls) > 1 else ""
    return f"none of the {len(later)} convolutions{after} got its input in channels-last layout"


def _channels_innermost(call: Call) -> bool:
    shape, strides = call.shapes[0], call.strides[0]
    return len(strides) == 4 and strides[1] == 1 and (shape[1] == 1 or strides[3] != 1 or shape[3] == 1)


def any_call(seen: Seen, what: str, *names: str) -> str | None:
    """Return that nothing of these names was called in a step, or None if something was."""
    return None if seen.called(*names) else f"{what} was not called in the step"


def running_workers(seen: Seen) -> str | None:
    """Return that no worker process was running in a step, or None if one was."""
    return None if seen.workers else "no worker process was running in the step"


def without_effect(techniques: Iterable[object], seen: Seen) -> dict[str, str]:
    """Return name -> reason, of the techniques that had no effect in a step."""
    found: dict[str, str] = {}
    for one in techniques:
        why = why_without_effect(one, seen)
        if why is not None:
            found[one.card.name] = why  # type: ignore[attr-defined]  (every technique has a card)
    return found

"""Whether the backward pass of a person's own `torch.autograd.Function` is the derivative of its forward pass."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hasten.base.seeds import seed_all
from hasten.diagnosis.wiring.live import is_installed

FUNCTIONS = 4
"""Functions that are looked at."""
ENTRIES = 24
"""Numbers of an input whose derivative is measured."""
_LARGEST = 100_000  # numbers of an input
_STEP = 1e-5
_NOTHING = 1e-7  # a derivative that is 0 but for rounding


@dataclass(frozen=True)
class CustomCall:
    """A call of a function."""

    kind: Any
    args: tuple[Any, ...]


@contextmanager
def custom_calls() -> Generator[list[CustomCall]]:
    """Note the first call of every function of the person's own that is applied in the body."""
    found: list[CustomCall] = []
    plain: Any = vars(torch.autograd.Function)["apply"]

    def apply(kind: Any, *args: Any, **kwargs: Any) -> Any:
        if len(found) < FUNCTIONS and not is_installed(kind) and not any(one.kind is kind for one in found):
            given = tuple(one.detach().clone() if isinstance(one, Tensor) else one for one in args)
            found.append(CustomCall(kind, given))
        return plain.__func__(kind, *args, **kwargs)

    torch.autograd.Function.apply = classmethod(apply)  # type: ignore[assignment, method-assign]
    try:
        yield found
    finally:
        torch.autograd.Function.apply = plain  # type: ignore[method-assign]


def deviation(call: CustomCall) -> float | None:
    """Return how far the gradients of a function are from its measured derivatives, 0 for the same direction.

    Only numbers of the inputs count that change the output, and a factor for all of them does not: gradients may be
    reversed, scaled, or made up where the output does not change, as behind a rounding.

    Returns:
        The largest part of a gradient that is no multiple of the derivatives, over its size; None where nothing can be
        measured: no numbers, random outputs.
    """
    worst: float | None = None
    for place, one in enumerate(call.args):
        if isinstance(one, Tensor) and one.is_floating_point() and 0 < one.numel() <= _LARGEST:
            found = _deviation_at(call, place)
            worst = found if worst is None else max(worst, found or 0.0)
    return worst


def _deviation_at(call: CustomCall, place: int) -> float | None:
    args = [one.double() if isinstance(one, Tensor) and one.is_floating_point() else one for one in call.args]
    values = args[place].clone().requires_grad_()

    def total(given: Tensor) -> Tensor:
        seed_all(0)
        output = call.kind.apply(*args[:place], given, *args[place + 1 :])
        return sum((one.sum() for one in _outputs(output)), torch.zeros((), dtype=torch.float64)) * _STEP

    with torch.enable_grad():
        first = total(values)
        if not first.requires_grad or not torch.equal(first, total(values)):
            return None
        found = torch.autograd.grad(first, values, allow_unused=True)
    gradient = next(iter(found), None)
    if gradient is None:
        return None
    chosen = torch.randperm(values.numel(), generator=torch.Generator().manual_seed(0))[:ENTRIES]
    measured = torch.stack([_derivative(total, values.detach(), int(at)) for at in chosen]) / _STEP
    said = gradient.flatten()[chosen] / _STEP
    counts = (measured.abs() > _NOTHING) & torch.isfinite(measured)
    measured, said = measured[counts], said[counts]
    if len(measured) < 4 or not bool(said.any()):
        return None
    rest = said - measured * (said @ measured) / (measured @ measured)
    return float(rest.norm() / said.norm())


def _derivative(total: Callable[[Tensor], Tensor], values: Tensor, at: int) -> Tensor:
    """Return the derivative by one number, by central differences."""
    moved = []
    for step in (_STEP, -_STEP):
        other = values.clone()
        other.view(-1)[at] += step
        moved.append(total(other))
    return (moved[0] - moved[1]).detach() / (2 * _STEP)


def _outputs(output: Any) -> list[Tensor]:
    parts = output if isinstance(output, tuple) else (output,)
    return [one for one in parts if isinstance(one, Tensor) and one.is_floating_point()]

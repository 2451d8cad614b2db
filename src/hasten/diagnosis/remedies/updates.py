"""Remedies of the update: learning rate, warm-up, clipping, epsilon, momentum, weight decay."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn, optim

from hasten.diagnosis.remedies.remedy import Intervention


class ScaledRate(Intervention):
    """Multiplies the learning rate of every update, whatever schedule sets it.

    Args:
        factor: of all parameter groups.
        warmup: updates over which the factor grows linearly from 0.
    """

    def __init__(self, factor: float, *, warmup: int = 0) -> None:
        self._factor, self._warmup = factor, warmup
        self._made: dict[int, int] = {}
        self._rates: list[Any] = []

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Put the other rate in."""
        made = self._made[id(optimizer)] = self._made.get(id(optimizer), 0) + 1
        share = min(1.0, made / self._warmup) if self._warmup else 1.0
        self._rates = [group["lr"] for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._factor * share

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Put the rate of the schedule back."""
        for group, rate in zip(optimizer.param_groups, self._rates, strict=False):
            group["lr"] = rate


class ClippedNorm(Intervention):
    """Clips the norm of an optimizer's gradients before each update."""

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Clip."""
        held = [one for group in optimizer.param_groups for one in group["params"]]
        nn.utils.clip_grad_norm_(held, self._limit)


class Option(Intervention):
    """Sets an option of every optimizer that has it, before its first update."""

    def __init__(self, name: str, value: float) -> None:
        self._name, self._value = name, value

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Set the option."""
        for group in optimizer.param_groups:
            if self._name in group:
                group[self._name] = self._value


class FirstMoment(Intervention):
    """Sets momentum, or the first beta of Adam and its like."""

    def __init__(self, value: float) -> None:
        self._value = value

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Set the option that the optimizer has."""
        for group in optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (self._value, *group["betas"][1:])
            elif "momentum" in group:
                group["momentum"] = self._value


class Divided(Intervention):
    """Divides the gradients of several backward passes by their number, before clipping and update."""

    def __init__(self) -> None:
        self._passes = 0
        self._divided = False

    def backward_ended(self, losses: Sequence[Tensor]) -> None:
        """Count a pass."""
        self._passes += 1

    def clip_begins(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Divide before the clipping."""
        self._divide(parameters)

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Divide before the update where nothing was clipped, and begin anew."""
        self._divide([one for group in optimizer.param_groups for one in group["params"]])
        self._passes, self._divided = 0, False

    def _divide(self, parameters: Sequence[Tensor]) -> None:
        if not self._divided and self._passes > 1:
            for one in parameters:
                if one.grad is not None:
                    one.grad.div_(self._passes)
        self._divided = True


class Cleared(Intervention):
    """Clears the gradients after each update."""

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Clear them."""
        for group in optimizer.param_groups:
            for one in group["params"]:
                one.grad = None

"""Remedies of the update: learning rate, warm-up, clipping, epsilon, momentum, weight decay."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn, optim

from hasten.diagnosis.remedies.remedy import Intervention


class _OtherRate(Intervention):
    """Makes every update with other learning rates than those that a schedule set, which are put back after it."""

    def __init__(self) -> None:
        self._rates: list[Any] = []

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Put the other rates in."""
        self._rates = [group["lr"] for group in optimizer.param_groups]
        others = self._others(optimizer, self._rates)
        for group, rate in zip(optimizer.param_groups, others, strict=True):
            group["lr"] = rate

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Put the rates of the schedule back."""
        for group, rate in zip(optimizer.param_groups, self._rates, strict=False):
            group["lr"] = rate

    def _others(self, optimizer: optim.Optimizer, rates: list[Any]) -> list[Any]:
        raise NotImplementedError


class ScaledRate(_OtherRate):
    """Multiplies the learning rate of every update, whatever schedule sets it.

    Args:
        factor: of all parameter groups.
        warmup: updates over which the factor grows linearly from 0.
    """

    def __init__(self, factor: float, *, warmup: int = 0) -> None:
        super().__init__()
        self._factor, self._warmup = factor, warmup
        self._made: dict[int, int] = {}

    def _others(self, optimizer: optim.Optimizer, rates: list[Any]) -> list[Any]:
        made = self._made[id(optimizer)] = self._made.get(id(optimizer), 0) + 1
        share = min(1.0, made / self._warmup) if self._warmup else 1.0
        return [rate * self._factor * share for rate in rates]


class CappedRate(_OtherRate):
    """Makes no update with a higher learning rate than the first one had."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[int, list[Any]] = {}

    def _others(self, optimizer: optim.Optimizer, rates: list[Any]) -> list[Any]:
        first = self._first.setdefault(id(optimizer), rates)
        return [min(rate, highest) for rate, highest in zip(rates, first, strict=True)]


class EqualRates(_OtherRate):
    """Gives all groups of an optimizer the lowest learning rate above 0 that one of them has."""

    def _others(self, optimizer: optim.Optimizer, rates: list[Any]) -> list[Any]:
        if len(rates) < 2:
            raise LookupError(f"{type(optimizer).__name__} has one learning rate")
        return [min((rate for rate in rates if rate > 0), default=0.0)] * len(rates)


class ClippedNorm(Intervention):
    """Clips the norm of an optimizer's gradients before each update."""

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Clip."""
        held = [one for group in optimizer.param_groups for one in group["params"]]
        nn.utils.clip_grad_norm_(held, self._limit)


class WiderLimit(Intervention):
    """Undoes what clipping below a norm takes away, up to that norm.

    Args:
        limit: of the norm in place of a lower one.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._clipped: Sequence[Tensor] = ()

    def clip_begins(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Note what is clipped."""
        if limit >= self._limit:
            raise LookupError(f"gradients are clipped to a norm of {limit:g} already")
        self._clipped = parameters

    def clip_ended(self, limit: float, norm: Tensor | None) -> None:
        """Scale the clipped gradients to the wider limit."""
        if norm is None:
            raise LookupError("gradients are clipped by value")
        kept = (limit / (norm + 1e-6)).clamp(max=1.0)
        wanted = (self._limit / (norm + 1e-6)).clamp(max=1.0)
        for one in self._clipped:
            if one.grad is not None:
                one.grad.mul_(wanted / kept)


class Option(Intervention):
    """Sets an option of every optimizer that has it.

    Args:
        name: of the option.
        value: to set.
        instead_of: set it only where this was set.
    """

    def __init__(self, name: str, value: float, *, instead_of: float | None = None) -> None:
        self._name, self._value, self._instead_of = name, value, instead_of
        self._set: set[int] = set()

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Set the option."""
        for group in optimizer.param_groups:
            now = group.get(self._name, self._value)
            if now != self._value and self._instead_of in (None, now):
                group[self._name] = self._value
                self._set.add(id(optimizer))
        if id(optimizer) not in self._set:
            raise LookupError(f"{type(optimizer).__name__} has no other {self._name}")


class FirstMoment(Intervention):
    """Sets momentum, or the first beta of Adam and its like, where it is another one."""

    def __init__(self, value: float) -> None:
        self._value = value
        self._set = False

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Set the option that the optimizer has."""
        for group in optimizer.param_groups:
            if "betas" in group and group["betas"][0] != self._value:
                group["betas"], self._set = (self._value, *group["betas"][1:]), True
            elif group.get("momentum", self._value) != self._value:
                group["momentum"], self._set = self._value, True
        if not self._set:
            raise LookupError(f"{type(optimizer).__name__} has no other momentum")


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


class LeftAlone(Intervention):
    """Takes the gradient from parameters that are frozen, so that an update leaves them as they are."""

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Take it."""
        for group in optimizer.param_groups:
            for one in group["params"]:
                if not one.requires_grad:
                    one.grad = None

"""Statistics of gradients, weights and updates of every trainable tensor, over the sampled steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten.base.records.dynamics import ParameterTrack, Series
from hasten.base.units import finite
from hasten.diagnosis.dynamics.entries import cosine, entries, flat, rms


@dataclass
class _Seen:
    """One parameter in one step."""

    gradient: float | None = None
    zeros: float | None = None
    weight: float | None = None
    update: float | None = None
    below_eps: float | None = None


@dataclass
class _Directions:
    """Some entries of the gradients and the updates of a step, by optimizer, to compare with the next step."""

    step: int
    gradient: dict[int, Tensor] = field(default_factory=dict)
    update: dict[int, Tensor] = field(default_factory=dict)


class Parameters:
    """Looks at the parameters of every optimizer; a step after a sampled one for its direction only."""

    def __init__(self) -> None:
        self.optimizers: tuple[str, ...] = ()
        self._known: list[optim.Optimizer] = []
        self._held: dict[int, tuple[Tensor, int]] = {}  # id -> parameter, number of its optimizer
        self._start: dict[int, tuple[float, float]] = {}  # rms and spread before the first update
        self._order: dict[int, int] = {}
        self._seen: dict[int, dict[int, _Seen]] = {}  # step -> id -> what was seen
        self._rates: dict[int, float] = {}
        self._highest: dict[int, float] = {}  # id of a parameter -> highest learning rate in the samples
        self._cosines: dict[str, dict[int, float | None]] = {"gradient": {}, "update": {}}
        self._overshoots: dict[int, float | None] = {}
        self._step, self._sampled, self._light = 0, False, False
        self._now: _Directions | None = None
        self._last: _Directions | None = None
        self._before: dict[int, Tensor] = {}
        self._flat_before: Tensor | None = None

    @property
    def looks(self) -> bool:
        """Whether this step is looked at."""
        return self._sampled or self._light

    def begin(self, step: int, *, sampled: bool) -> None:
        """Begin a step."""
        self._last = self._now if self._now is not None and self._now.step == step - 1 else None
        self._light = self._sampled and self._step == step - 1
        self._step, self._sampled = step, sampled
        self._now = _Directions(step) if self.looks else None
        if sampled:
            self._seen[step] = {}

    def keep(self, steps: Sequence[int]) -> None:
        """Forget the samples that are not among these steps."""
        for step in self._seen.keys() - set(steps):
            del self._seen[step]

    def placed(self, order: Mapping[int, int]) -> None:
        """Note the place of the parameters in the forward pass."""
        for key, place in order.items():
            self._order.setdefault(key, place)

    def gradients(self, parameters: Sequence[Tensor], scale: float = 1.0) -> None:
        """Note the gradients of parameters, those only that were not noted in this step; called before clipping.

        Args:
            parameters: any.
            scale: that the gradients are multiplied by.
        """
        if not self._sampled:
            return
        seen = self._seen[self._step]
        new = [one for one in parameters if one.grad is not None and seen.get(id(one), _NONE).gradient is None]
        taken = [entries(one.grad) for one in new if one.grad is not None]
        zeros = _shares([one == 0 for one in taken])
        for one, size, share in zip(new, rms(taken), zeros, strict=True):
            noted = seen.setdefault(id(one), _Seen())
            noted.gradient, noted.zeros = size / scale, share

    def skipped(self) -> None:
        """Forget the gradients of this step, which no update used: the next batch tries the step again."""
        if self._sampled:
            self._seen[self._step] = {}

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Note the gradients and the weights before an update."""
        number = self._number(optimizer)
        if not self.looks:
            return
        held = _parameters(optimizer)
        scale = getattr(optimizer, "grad_scale", None)
        self.gradients(held, float(scale) if isinstance(scale, Tensor) else 1.0)
        if self._now is not None and number not in self._now.update:
            self._flat_before = flat(held)
            if any(one.grad is not None for one in held):  # what has none gets zeros, as in its update
                self._now.gradient[number] = flat(
                    [torch.zeros_like(one) if one.grad is None else one.grad for one in held]
                )
        if self._sampled:
            if not number:
                self._rates[self._step] = max(float(group["lr"]) for group in optimizer.param_groups)
            for group in optimizer.param_groups:
                for one in group["params"]:
                    self._highest[id(one)] = max(self._highest.get(id(one), 0.0), float(group["lr"]))
            taken = [entries(one) for one in held]
            for one, size in zip(held, rms(taken), strict=True):
                self._seen[self._step].setdefault(id(one), _Seen()).weight = size
            self._before = {id(one): part.clone() for one, part in zip(held, taken, strict=True)}

    def update_ended(self, optimizer: optim.Optimizer) -> list[Tensor] | None:
        """Note what the update changed; return the parameters whose gradient was not finite, None if there are none."""
        held = _parameters(optimizer)
        number = self._number(optimizer)
        if self._now is not None and self._flat_before is not None:
            self._now.update[number] = flat(held) - self._flat_before
            self._flat_before = None
            self._compare(number)
        if not self._sampled:
            return None
        self.gradients(held)  # those that a closure made
        seen = self._seen[self._step]
        known = [one for one in held if id(one) in self._before]
        changes = rms([entries(one) - self._before[id(one)] for one in known])
        for one, size in zip(known, changes, strict=True):
            seen.setdefault(id(one), _Seen()).update = size
        self._before = {}
        self._note_eps(optimizer)
        broken = [one for one in held if not math.isfinite(seen.get(id(one), _NONE).gradient or 0.0)]
        return broken or None

    def _number(self, optimizer: optim.Optimizer) -> int:
        """Return the number of an optimizer; of a new one, note its parameters."""
        for number, one in enumerate(self._known):
            if one is optimizer:
                return number
        number = len(self._known)
        self._known.append(optimizer)
        self.optimizers += (type(optimizer).__name__,)
        held = _parameters(optimizer)
        taken = [entries(one) for one in held]
        for one, size, spread in zip(held, rms(taken), rms([part - part.mean() for part in taken]), strict=True):
            if id(one) not in self._held:
                self._held[id(one)] = one, number
                self._start[id(one)] = size, spread / size if size else 0.0
        return number

    def _compare(self, number: int) -> None:
        """Compare the directions of this step with those of the one before."""
        if self._last is None or self._now is None:
            return
        for kind in ("gradient", "update"):
            one, other = getattr(self._last, kind).get(number), getattr(self._now, kind).get(number)
            if not number and one is not None and other is not None and one.shape == other.shape:
                self._cosines[kind][self._last.step] = cosine(one, other)
        self._overshoot(number)

    def _overshoot(self, number: int) -> None:
        """Note how much of its slope the last update lost on its way, by the gradients at both ends."""
        if number or self._last is None or self._now is None:
            return
        update, start, end = self._last.update.get(0), self._last.gradient.get(0), self._now.gradient.get(0)
        if update is None or start is None or end is None or not update.shape == start.shape == end.shape:
            return
        slope = float(update @ start)
        self._overshoots[self._last.step] = finite(float(update @ (end - start)) / -slope) if slope < 0 else None

    def _note_eps(self, optimizer: optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            for one in group["params"]:
                state = optimizer.state.get(one, {})
                moment, made = state.get("exp_avg_sq"), state.get("step")
                if moment is None or made is None or "betas" not in group or moment.numel() != one.numel():
                    continue
                square = entries(moment).float() / (1 - group["betas"][1] ** float(made))
                small = (square > 0) & (square.sqrt() < group["eps"])
                self._seen[self._step].setdefault(id(one), _Seen()).below_eps = float(
                    small.sum() / (square > 0).sum().clamp(min=1)
                )

    def broken(self, models: Sequence[nn.Module]) -> str | None:
        """Return the parameter nearest to the loss that is not finite, by its name; None where all are finite."""
        found = [one for one, _ in self._held.values() if not bool(torch.isfinite(entries(one)).all())]
        return self.nearest_to_the_loss(found, models) if found else None

    def nearest_to_the_loss(self, parameters: Sequence[Tensor], models: Sequence[nn.Module]) -> str:
        """Return the name of the last one in the forward pass, where the backward pass came first."""
        last = max(parameters, key=lambda one: self._order.get(id(one), -1))
        return self.named(models).get(id(last), ("", ""))[0]

    def named(self, models: Sequence[nn.Module]) -> dict[int, tuple[str, str]]:
        """Return the name of each parameter, and the class of its module."""
        return {
            id(one): (f"{path}.{name}".lstrip("."), type(module).__name__)
            for model in reversed(models)
            for path, module in model.named_modules()
            for name, one in module.named_parameters(recurse=False)
        }

    def rates(self, steps: Sequence[int]) -> Series:
        """Return the learning rate of each sample."""
        return tuple(self._rates.get(step) for step in steps)

    def norms(self, steps: Sequence[int]) -> Series:
        """Return the norm of all gradients of each sample."""
        return tuple(self._norm(step) for step in steps)

    def _norm(self, step: int) -> float | None:
        parts = [
            (seen.gradient, self._held[key][0].numel())
            for key, seen in self._seen.get(step, {}).items()
            if seen.gradient is not None and key in self._held
        ]
        return finite(math.sqrt(sum(numel * size * size for size, numel in parts))) if parts else None

    def cosines(self, steps: Sequence[int], kind: str) -> Series:
        """Return, for each sample, the cosine between its gradient or update and that of the next step."""
        return tuple(self._cosines[kind].get(step) for step in steps)

    def overshoots(self, steps: Sequence[int]) -> Series:
        """Return the overshoot of each sample."""
        return tuple(self._overshoots.get(step) for step in steps)

    def tracks(self, steps: Sequence[int], named: Mapping[int, tuple[str, str]]) -> tuple[ParameterTrack, ...]:
        """Return what was seen of each parameter, in the order of the forward pass."""
        ordered = sorted(self._held, key=lambda key: self._order.get(key, math.inf))
        return tuple(self._track(key, depth, steps, named) for depth, key in enumerate(ordered))

    def _track(
        self, key: int, depth: int, steps: Sequence[int], named: Mapping[int, tuple[str, str]]
    ) -> ParameterTrack:
        one, number = self._held[key]
        rows = [self._seen.get(step, {}).get(key, _NONE) for step in steps]

        def column(name: str) -> Series:
            values = [getattr(row, name) for row in rows]
            return tuple(None if value is None else finite(value) for value in values)

        return ParameterTrack(
            name=named.get(key, ("", ""))[0],
            kind=named.get(key, ("", ""))[1],
            shape=tuple(one.shape),
            optimizer=number,
            depth=depth if key in self._order else None,
            start=finite(self._start[key][0]) or 0.0,
            start_spread=finite(self._start[key][1]) or 0.0,
            number_format=str(one.dtype).removeprefix("torch."),
            gradient=column("gradient"),
            zeros=column("zeros"),
            weight=column("weight"),
            update=column("update"),
            rate=self._highest.get(key),
            below_eps=column("below_eps"),
        )

    def settings(self) -> dict[str, float | None]:
        """Return momentum, weight decay and epsilon of the first optimizer."""
        groups: list[dict[str, Any]] = self._known[0].param_groups if self._known else []
        return {
            "momentum": _largest([group.get("momentum", (group.get("betas") or (None,))[0]) for group in groups]),
            "decay": _largest([group.get("weight_decay") for group in groups]),
            "epsilon": _largest([group.get("eps") for group in groups]),
        }


_NONE = _Seen()


def _parameters(optimizer: optim.Optimizer) -> list[Tensor]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def _shares(masks: Sequence[Tensor]) -> list[float]:
    if not masks:
        return []
    device = masks[0].device
    return torch.stack([mask.float().mean().to(device) for mask in masks]).tolist()


def _largest(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if isinstance(value, (int, float, Tensor))]
    return max(known) if known else None

"""Learning-rate schedules as pure functions of the step, so that a resumed run needs no scheduler state.

    learning rate at a step = lr x factor(step, total)

torch's schedulers compute the same values (the tests compare them step by step) but keep state and cost 10 to 20
microseconds a step. `reduce on plateau` depends on what was measured, so it is the one that has a state.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from hasten.base.errors import BadInput, unknown_name

Factor: TypeAlias = Callable[[int, int], float]
"""(step from 0, total steps) -> multiplier of the learning rate."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule by name, with its options, after a linear warm-up.

    Args:
        name: one of `SCHEDULES`, or "plateau".
        warmup: steps over which the rate rises linearly from lr / warmup to lr; 0 for none.
        options: the schedule's own, for example {"gamma": 0.1, "every": 1000} for "step".
    """

    name: str = "fixed"
    warmup: int = 0
    options: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        known = SCHEDULES.keys() | {"plateau"}
        if self.name not in known:
            raise unknown_name("schedule", self.name, known)
        if self.warmup < 0:
            raise BadInput(f"the warm-up must be 0 or more steps; found {self.warmup}.")
        allowed = OPTIONS[self.name]
        for option in self.options:
            if option not in allowed:
                raise unknown_name(f"option of the schedule {self.name!r}", option, allowed)


def exponential(gamma: float = 0.999) -> Factor:
    """Return gamma ** step: exponential decay."""
    return lambda step, total: gamma**step


def step_decay(gamma: float = 0.1, every: float = 1000) -> Factor:
    """Return gamma ** floor(step / every): a drop after every so many steps."""
    return lambda step, total: gamma ** (step // int(every))


def cosine(final: float = 0.0) -> Factor:
    """Fall from 1 to `final` along half a cosine (Loshchilov and Hutter, 2017, arXiv:1608.03983, no restarts)."""
    return lambda step, total: final + (1 - final) * (1 + math.cos(math.pi * min(step, total) / total)) / 2


def linear(final: float = 0.0) -> Factor:
    """Fall from 1 to `final` along a straight line ("linear to zero" by default)."""
    return lambda step, total: 1 + (final - 1) * min(step, total) / total


def one_cycle(peak: float = 1.0, rise: float = 0.3, start: float = 0.04, final: float = 4e-6) -> Factor:
    """Rise from `start` to `peak` over the share `rise` of the steps, then fall to `final`, both along cosines.

    Source: Smith and Topin, 2018, arXiv:1708.07120, with torch's defaults (start 1/25 of the peak, end 1e-4 of the
    start). We move the learning rate only; torch's OneCycleLR cycles momentum against it unless told not to.
    """

    def factor(step: int, total: int) -> float:
        turn = rise * total - 1
        last = total - 1
        if step <= turn:
            return _between(start, peak, step / turn if turn > 0 else 1.0)
        return _between(peak, final, min(1.0, (step - turn) / max(last - turn, 1)))

    return factor


def _between(first: float, second: float, share: float) -> float:
    return second + (first - second) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, Callable[..., Factor]] = {
    "fixed": lambda: lambda step, total: 1.0,
    "exponential": exponential,
    "step": step_decay,
    "cosine": cosine,
    "linear": linear,
    "one_cycle": one_cycle,
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "fixed": (),
    "exponential": ("gamma",),
    "step": ("gamma", "every"),
    "cosine": ("final",),
    "linear": ("final",),
    "one_cycle": ("peak", "rise", "start", "final"),
    "plateau": ("factor", "patience", "threshold"),
}


def factor_of(schedule: Schedule, total: int) -> Callable[[int], float] | None:
    """Return step -> multiplier of the learning rate over `total` steps, or None where it is always 1.

    The warm-up comes first; the schedule then runs over the steps that are left, counted from the end of the warm-up.
    """
    if schedule.name in ("fixed", "plateau"):
        if schedule.warmup == 0:
            return None
        main: Factor = SCHEDULES["fixed"]()
    else:
        main = SCHEDULES[schedule.name](**schedule.options)
    warmup = schedule.warmup
    rest = max(1, total - warmup)

    def factor(step: int) -> float:
        return (step + 1) / warmup if step < warmup else main(step - warmup, rest)

    return factor


@dataclass
class Plateau:
    """Multiply the rate by `factor` after `patience` evaluations without a relative gain of `threshold`.

    As torch's ReduceLROnPlateau in its relative mode; `scale` is the product of all reductions so far.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    scale: float = 1.0
    best: float = math.inf
    waited: int = 0

    def see(self, loss: float) -> None:
        """Take the validation loss of one evaluation into account."""
        if loss < self.best * (1 - self.threshold) or not math.isfinite(self.best):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.scale, self.waited = self.scale * self.factor, 0


def plateau_of(schedule: Schedule) -> Plateau | None:
    """Return the state of a schedule that reduces on a plateau, or None for the others."""
    if schedule.name != "plateau":
        return None
    options = schedule.options
    return Plateau(
        factor=options.get("factor", Plateau.factor),
        patience=int(options.get("patience", Plateau.patience)),
        threshold=options.get("threshold", Plateau.threshold),
    )

"""Learning-rate schedules as pure functions of the step or the time, so that a resumed run needs no scheduler state.

    learning rate at a step = lr x factor(step, total)

A run that only a time limit ends has no total; a schedule over the whole run then follows the share of that time.

torch's schedulers compute the same values (the tests compare them step by step) but keep state and cost 10 to 20
microseconds a step. `reduce on plateau` depends on the validation loss, so it is the one that has a state.
"""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeAlias

from hasten.base.errors import BadInput, unknown_name

Factor: TypeAlias = Callable[[int, int], float]
"""(step from 0, total steps) -> multiplier of the learning rate."""
RateFactor: TypeAlias = Callable[..., float]
"""(step from 0, elapsed seconds) -> multiplier of the learning rate; the seconds matter only to a run without steps."""


CUSTOM = "custom"


@dataclass(frozen=True)
class Schedule:
    """A schedule by name, with its options, after a linear warm-up; or a function.

    Args:
        name: one of `SCHEDULES`, or "plateau"; "custom" with a function.
        warmup: steps over which the rate rises linearly from lr / warmup to lr; 0 for none.
        options: the schedule's own, for example {"gamma": 0.1, "every": 1000} for "step".
        function: (step) -> multiplier of the learning rate, as for torch's `LambdaLR`; or (optimizer) -> torch
            scheduler.
        per: what moves the function: "step" (each update) or "epoch", as in scripts that call `scheduler.step()` at the
            end of an epoch.
    """

    name: str = "fixed"
    _: KW_ONLY
    warmup: int = 0
    options: dict[str, float] = field(default_factory=dict[str, float])
    function: Callable[[Any], Any] | None = None
    per: str = "step"

    def __post_init__(self) -> None:
        if self.per not in ("step", "epoch"):
            raise BadInput(f'Schedule.per must be "step" or "epoch"; found {self.per!r}.')
        if self.per == "epoch" and self.function is None:
            raise BadInput(
                f"only a schedule made of a function can move once per epoch; found {self.name!r} with per='epoch'. "
                "Pass Schedule(function=(optimizer) -> torch scheduler, per='epoch')."
            )
        if self.function is not None:
            if self.name not in ("fixed", CUSTOM) or self.warmup or self.options:
                raise BadInput("a Schedule with a function takes no name, warmup or options. Put them in the function.")
            object.__setattr__(self, "name", CUSTOM)
            return
        known = SCHEDULES.keys() | {"plateau"}
        if self.name not in known:
            raise unknown_name("schedule", self.name, known)
        if self.warmup < 0:
            raise BadInput(f"warmup must be 0 or more steps; found {self.warmup}.")
        allowed = OPTIONS[self.name]
        for option in self.options:
            if option not in allowed:
                raise unknown_name(f"option of the schedule {self.name!r}", option, allowed)


def as_schedule(schedule: Any) -> Schedule:
    """Return a schedule from its name or a function; a `Schedule` as it is.

    Raises:
        BadInput: if it is none of these.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, str):
        return Schedule(schedule)
    if callable(schedule):
        return Schedule(function=schedule)
    raise BadInput(
        "Update.schedule must be a Schedule, its name, a function (step) -> multiplier of the learning rate, or a "
        f"function (optimizer) -> torch scheduler; found {type(schedule).__name__}."
    )


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


OVER_THE_RUN = frozenset({"cosine", "linear", "one_cycle"})
"""Schedules that depend on the length of the run."""
_FINE = 2**20  # steps that stand for a run measured in seconds


def factor_of(schedule: Schedule, total: int | None, seconds: float | None = None) -> RateFactor | None:
    """Return (step, elapsed seconds) -> multiplier of the learning rate, or None where it is always 1.

    Over `total` steps the warm-up comes first; the schedule then runs over the steps that are left, counted from the
    end of the warm-up. Without a total, a schedule over the run follows the share of `seconds` that has passed, and
    the warm-up multiplies it.

    Args:
        schedule: which one.
        total: steps of the run; None if only the time ends it.
        seconds: the time limit of the run.
    """
    warmup = schedule.warmup
    if schedule.name in ("fixed", "plateau"):
        if warmup == 0:
            return None
        main: Factor = SCHEDULES["fixed"]()
    elif schedule.function is not None:
        function = schedule.function
        return lambda step, elapsed_s=0.0: float(function(step))
    else:
        main = SCHEDULES[schedule.name](**schedule.options)
    if total is None and schedule.name in OVER_THE_RUN:
        assert seconds, "Stop has a limit of steps, epochs or seconds"

        def timed(step: int, elapsed_s: float = 0.0) -> float:
            rise = (step + 1) / warmup if step < warmup else 1.0
            return rise * main(int(min(1.0, elapsed_s / seconds) * _FINE), _FINE)

        return timed
    rest = max(1, (total or 0) - warmup)

    def factor(step: int, elapsed_s: float = 0.0) -> float:
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

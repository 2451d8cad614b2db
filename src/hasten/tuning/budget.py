"""The time that tuning may take: its clock, its budget, and the deadline that stops whatever runs."""

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from hasten.profiling.timeout import time_limit

DEFAULT_SHARE, SHORTEST_S, LONGEST_S = 0.05, 30.0, 600.0
"""Of the planned training, and the bounds of that: what is spent where nothing else is asked for."""
ENOUGH_STEPS, ENOUGH_S = 700, 120.0
"""Of a search that has a plan proven: its blocks and builds, a gate and measuring afresh; that many seconds at most."""

read_clock = time.perf_counter_ns
"""The clock that this room reads; in one place, so that a test can put another one there."""


def now_ns() -> int:
    """Return nanoseconds since some moment; never runs backwards."""
    return read_clock()


def now_s() -> float:
    """Return seconds since some moment; never runs backwards."""
    return now_ns() * 1e-9


def default_budget_s(planned_s: float, *, least_s: float) -> float:
    """Return 5 % of the planned training, but at least so much and at most 10 minutes."""
    return min(max(least_s, DEFAULT_SHARE * planned_s), LONGEST_S)


def least_budget_s(step_s: float) -> float:
    """Return 30 s, or where steps are so long that this decides nothing, 700 of them, at most 2 minutes."""
    return max(SHORTEST_S, min(ENOUGH_STEPS * step_s, ENOUGH_S))


class OutOfTime(BaseException):
    """The deadline has passed.

    No `Exception`: it has to get through code of models, compilers and data sets that catches those.
    """


_deadline_s: ContextVar[float] = ContextVar("deadline_s", default=math.inf)


def check_time() -> None:
    """Raise `OutOfTime` if the deadline has passed; called before each step that is made."""
    if now_s() > _deadline_s.get():
        raise OutOfTime


@contextmanager
def ends_by(moment_s: float) -> Generator[None]:
    """Raise `OutOfTime` in the body once the clock shows `moment_s`; an earlier deadline around it stays in force.

    Between steps `check_time` raises it. In the main thread an alarm does too, which also reaches building a model,
    warming up and compiling; a single operator still runs to its end.
    """
    deadline_s = min(moment_s, _deadline_s.get())
    token = _deadline_s.set(deadline_s)
    try:
        check_time()
        if math.isinf(deadline_s):
            yield
        else:
            with alarm(max(deadline_s - now_s(), 1e-3)):
                yield
    finally:
        _deadline_s.reset(token)


@contextmanager
def alarm(after_s: float) -> Generator[None]:
    """Raise `OutOfTime` in the body after so many seconds, wherever it is."""
    with time_limit(after_s, "tuning", error=OutOfTime):
        yield


@dataclass(frozen=True)
class Budget:
    """Seconds that may be spent from now on."""

    total_s: float
    started_s: float = field(default_factory=now_s)

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return now_s() - self.started_s

    @property
    def hard_stop_s(self) -> float:
        """The moment at which everything must have ended."""
        return self.started_s + self.total_s

    def left_s(self, share: float = 1.0) -> float:
        """Return the seconds left until that share of the budget is spent; negative beyond."""
        return share * self.total_s - self.spent_s

    def holds(self, cost_s: float) -> bool:
        """Return whether something that takes so long ends before the hard stop."""
        return self.spent_s + cost_s <= self.total_s

"""Time limits for measurements that may hang."""

import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType

from hasten.base.errors import BadInput
from hasten.base.units import seconds

_AGAIN_S = 5.0
"""Code that catches everything loses an alarm; another follows."""
_SOON_S = 0.01
"""Python ignores and prints what is raised in a finalizer or at a fork; where it is the alarm, another follows soon."""


class TimeIsUp(BaseException):
    """Raised in the body of `time_limit`; not an Exception, so that no handler of errors in a task's code keeps it."""


class TimedOut(BadInput):
    """What was waited for did not end in time."""


@dataclass
class TimeLimit:
    """What is being waited for, and how long it may take."""

    limit_s: float
    what: str | Callable[[], str]  # a function tells it when the time is up
    counts: bool  # False where no alarm can be set

    def restart(self, what: str | Callable[[], str]) -> None:
        """Note that something was done; from now on `what` has the whole time."""
        self.what = what
        if self.counts:
            signal.setitimer(signal.ITIMER_REAL, self.limit_s, _AGAIN_S)


@contextmanager
def time_limit(limit_s: float, what: str, *, error: Callable[[str], BaseException] = TimeIsUp) -> Generator[TimeLimit]:
    """Interrupt the body with an error when `limit_s` seconds pass without a `restart`.

    The alarm reaches Python code, and what waits in the kernel; an endless loop inside one operator sees it only when
    it returns. Python delivers signals to the main thread alone: elsewhere, and where the system has no such alarm,
    there is no limit. An alarm that was set before goes off when it would have.

    Args:
        limit_s: seconds, positive.
        what: what is waited for first, as in "building the model".
        error: makes what the body raises from the message; `TimeIsUp` leaves the limit as `TimedOut`.

    Raises:
        TimedOut: when the time is up.
        BadInput: if `limit_s` is not positive.
    """
    if not limit_s > 0:
        raise BadInput(f"--timeout must be above 0 seconds; found {limit_s}.")
    counts = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    limit = TimeLimit(limit_s, what, counts)
    if not counts:
        yield limit
        return

    raised: list[BaseException] = []

    def give_up(number: int, frame: FrameType | None) -> None:
        what = limit.what if isinstance(limit.what, str) else limit.what()
        raised.append(
            error(
                f"{what} did not finish within {seconds(limit_s)}. If it is only slow, raise --timeout; "
                "else look for what it waits for."
            )
        )
        raise raised[-1]

    def ignored(found: "sys.UnraisableHookArgs") -> None:
        if any(found.exc_value is one for one in raised):
            signal.setitimer(signal.ITIMER_REAL, _SOON_S, _AGAIN_S)
        else:
            shown(found)

    shown, sys.unraisablehook = sys.unraisablehook, ignored
    before, began = signal.signal(signal.SIGALRM, give_up), monotonic()
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield limit
    except TimeIsUp as up:
        raise TimedOut(str(up)) from up
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = shown
        if left_s > 0:
            signal.setitimer(signal.ITIMER_REAL, max(left_s - (monotonic() - began), 1e-3), interval_s)

"""The clock that this room reads, in one place, so that a test can put another one there."""

import time


def now_ns() -> int:
    """Return nanoseconds since some moment; never runs backwards."""
    return time.perf_counter_ns()


def now_s() -> float:
    """Return seconds since some moment; never runs backwards."""
    return now_ns() * 1e-9

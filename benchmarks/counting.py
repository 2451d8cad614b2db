"""Function calls, of Python and C: what code costs, whatever else the machine does."""

import sys
from collections.abc import Callable


def calls(body: Callable[[], object]) -> int:
    """Return how many calls `body` makes."""
    made = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        body()
    finally:
        sys.setprofile(None)
    return made

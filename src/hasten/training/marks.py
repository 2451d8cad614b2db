"""The parts of a step that wall time is spent on, and the calls that say where one ends."""

from collections.abc import Callable
from typing import TypeAlias

PARTS = (
    "input",
    "transfer",
    "forward",
    "loss",
    "backward",
    "gradient",
    "update",
    "communication",
    "evaluation",
    "other",
)
"""What wall time is spent on. `mark(i)` says: the time since the mark before belongs to `PARTS[i]`.

The loop itself talks to no other process; "communication" is marked around what its stages do of it.
"""
INPUT, TRANSFER, FORWARD, LOSS, BACKWARD, GRADIENT, UPDATE, COMMUNICATION, EVALUATION, OTHER = range(len(PARTS))

Mark: TypeAlias = Callable[[int], None]


def unmarked(part: int) -> None:
    """Do nothing: the mark of a run that is not profiled."""

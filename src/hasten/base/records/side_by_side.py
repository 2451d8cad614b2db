"""Two plans for one task, compared by whole trainings: the record."""

from enum import StrEnum

from hasten.base.records.record import Interval, Record
from hasten.base.records.run import RunResult


class Faster(StrEnum):
    """What is known about the time to equal quality of b, compared with a."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference"
    NOT_PROVEN = "not proven"


class Turn(Record, frozen=True):
    """One of two sides trains next."""

    name: str
    sides: tuple[str, str]  # a and b


class SideBySide(Record, frozen=True):
    """Trainings of a and b from the same seeds, in the same order.

    `speedup` is the time of a over the time of b to equal quality: to `level`, which is the task's target where every
    run reached it, else the best metric that every run reached; through whole trainings where the task has no target.
    """

    task: str
    a: str
    b: str
    runs_a: tuple[RunResult, ...]
    runs_b: tuple[RunResult, ...]
    verdict: Faster
    speedup: Interval | None = None
    level: float | None = None
    peak_bytes_a: int | None = None  # of a step; None where it was not measured
    peak_bytes_b: int | None = None
    remark: str = ""
    interrupted_by: int | None = None  # the signal that ended it before all pairs were complete

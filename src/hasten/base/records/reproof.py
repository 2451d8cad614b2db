"""An existing plan, proven again: the record of one paired measurement."""

from enum import StrEnum

from hasten.base.records.record import Interval, Record


class Standing(StrEnum):
    """What is known about a plan now."""

    STILL_FASTER = "still faster"
    NO_LONGER = "no longer faster"
    NOT_PROVEN = "not proven"


class Reproof(Record, frozen=True):
    """Whether a plan is still faster than the baseline on this machine."""

    plan: tuple[str, ...]  # its techniques, with knobs
    standing: Standing
    speedup: Interval | None = None  # of the whole plan against the baseline
    changed: str = ""  # the machine and versions since it was proven; empty where they are the same
    remark: str = ""

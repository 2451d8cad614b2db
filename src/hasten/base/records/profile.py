"""Where the time and the memory of a step go."""

from hasten.base.records.interval import Interval
from hasten.base.records.record import Record


class PartTime(Record, frozen=True):
    """One part of the step: its wall time per step and its share of the step."""

    name: str
    seconds: float
    share: float


class Profile(Record, frozen=True):
    """The anatomy of a task's step. The parts sum to the step; what is not attributed is called "other"."""

    task: str
    plan: tuple[str, ...]
    steps: int
    step_s: Interval
    samples_per_s: float
    parts: tuple[PartTime, ...]
    parameters: int
    peak_bytes: int
    verdict: str  # one sentence

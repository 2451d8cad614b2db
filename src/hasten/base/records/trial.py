"""What was tried, what came out, and what was decided: the evidence behind a plan."""

from enum import StrEnum

from hasten.base.records.interval import Interval
from hasten.base.records.plan import Knob, Plan
from hasten.base.records.record import Record
from hasten.base.stages import Guarantee


class Verdict(StrEnum):
    """What an experiment with one technique ended in."""

    KEPT = "kept"
    NO_DIFFERENCE = "no difference"
    HURTS = "hurts"
    NOT_PROVEN = "not proven"  # the budget ended before the answer was clear
    REFUSED = "refused"  # it cannot help here, and says why
    BROKE_GUARANTEE = "broke its guarantee"
    FAILED = "failed"  # it raised an error
    SUPERSEDED = "not needed beside the others"
    NOT_ALLOWED = "not allowed"  # a guarantee that has to be allowed first


class Gate(Record, frozen=True):
    """The numerical proof that a technique owes: `measured` must be at most `bound`."""

    guarantee: Guarantee
    passed: bool
    measured: float
    bound: float
    detail: str


class Trial(Record, frozen=True):
    """One technique against the recipe without it. `speedup` above 1 is faster.

    `base` names the techniques that both sides had; `setup_s` is what it costs once (compilation).
    """

    technique: str
    guarantee: Guarantee
    verdict: Verdict
    reason: str = ""
    knobs: dict[str, Knob] = {}
    base: tuple[str, ...] = ()
    speedup: Interval | None = None
    gate: Gate | None = None
    setup_s: float = 0.0
    peak_bytes: int | None = None
    spent_s: float = 0.0


class Tuning(Record, frozen=True):
    """All trials of one tuning and the plan that they led to."""

    task: str
    budget_s: float
    spent_s: float
    noise: Interval | None  # the ratio of the baseline to itself
    smallest_difference: float  # what counts as a difference, from that noise
    trials: tuple[Trial, ...]
    plan: Plan
    speedup: Interval | None = None  # of the whole plan against the baseline, measured afresh
    remark: str = ""

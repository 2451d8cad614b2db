"""What was tried, what came out, and what was decided: the evidence behind a plan."""

from enum import StrEnum

from hasten.base.records.history import Forecast
from hasten.base.records.plan import Knob, Plan
from hasten.base.records.record import Interval, Record
from hasten.base.stages import Guarantee


class Verdict(StrEnum):
    """The outcome of trying one technique."""

    KEPT = "kept"
    NO_DIFFERENCE = "no difference"  # no gain above the detection threshold, alone or beside the plan
    NO_EFFECT = "no effect"  # it changed nothing that a step does: a cause to find, not a result
    INCONCLUSIVE = "inconclusive"  # the budget ended before the answer was clear
    SLOWER = "slower"
    NOT_APPLICABLE = "not applicable"  # refused this recipe or machine, or conflicts with the plan
    INACCURATE = "too inaccurate"  # faster, but the numerical check of its guarantee failed
    FAILED = "failed"  # raised an error
    NOT_ALLOWED = "not allowed"  # its guarantee has to be allowed first

    @classmethod
    def _missing_(cls, value: object) -> "Verdict | None":
        """Read the words of hasten 0.1 in evidence files."""
        earlier = {
            "hurts": cls.SLOWER,
            "not proven": cls.INCONCLUSIVE,
            "refused": cls.NOT_APPLICABLE,
            "broke its guarantee": cls.INACCURATE,
            "not needed beside the others": cls.NO_DIFFERENCE,
        }
        return earlier.get(str(value))


class Gate(Record, frozen=True):
    """The numerical check of a guarantee: `measured` must be at most `bound`."""

    guarantee: Guarantee
    passed: bool
    measured: float
    bound: float
    detail: str


class PlanCheck(Record, frozen=True):
    """What the gates said about a plan before it trained; `gate` is None where none was asked, and `text` says why."""

    identity: str  # hash of plan and task
    text: str
    gate: Gate | None = None


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
    accepted: bool = False  # kept on request, although its guarantee is not proven
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
    forecast: Forecast | None = None  # of the plan that the search chose, kept or not; None where it chose none
    threads: int | None = None  # to train on while other work lasts, much faster than all; None for all
    remark: str = ""

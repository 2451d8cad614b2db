"""What trying the remedies of a finding showed."""

from enum import StrEnum

from hasten.base.records.record import Interval, Record


class Outcome(StrEnum):
    """What the paired trainings say of a remedy."""

    CURES = "cures"  # better in every pair, and the finding is gone
    HELPS = "helps"  # better in every pair, and the finding is still there
    NO_HELP = "no help"  # not better in every pair
    NOT_TRIED = "not tried"


class Tried(Record, frozen=True):
    """A remedy, and the held-out loss of trainings without and with it, from the same seeds."""

    symptom: str
    remedy: str
    what: str  # it does, in a few words
    outcome: Outcome
    line: str = ""  # to write
    reason: str = ""  # why it was not tried
    plain: tuple[float | None, ...] = ()  # loss of each pair without it; None where it was not finite
    treated: tuple[float | None, ...] = ()
    ratio: Interval | None = None  # of the losses, treated over plain; None where some are not positive
    p: float = 1.0  # that chance alone makes so many pairs better: one-sided sign-flip
    diff: str = ""  # of the person's file, where the line could be placed


class Fix(Record, frozen=True):
    """The remedies tried, finding by finding."""

    tried: tuple[Tried, ...] = ()
    judged_by: str = ""  # "loss in evaluation" or "loss in training"
    steps: int = 0  # of each training
    pairs: int = 0
    not_tried: tuple[str, ...] = ()  # symptoms without a remedy that can be tried from outside

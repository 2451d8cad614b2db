"""What diagnosis says: a symptom with its number, what could be gained, and how to check it again."""

from enum import StrEnum

from hasten.base.records.fix import Fix
from hasten.base.records.record import Record


class Severity(StrEnum):
    """How much it matters; for speed, by the share of the time that could be saved."""

    NOTE = "note"  # 5 to 10 %
    WARNING = "warning"  # 10 to 20 %
    CRITICAL = "critical"  # 20 % and more


class Finding(Record, frozen=True):
    """One symptom that was found.

    Techniques that treat it are found by its name: their cards list symptoms under `treats`.
    """

    symptom: str
    severity: Severity
    sentence: str  # plain words, at most 25, with the number
    value: float  # the number that the rule looked at
    threshold: float  # from which on it fires
    bound: float | None  # at most so many times faster if this were fixed; None where speed is not the point
    bound_from: str = ""  # where the bound comes from: the name of an ablation, or "share of the time"
    where: str = ""  # layer, operator, part
    advice: str = ""  # what to do where no technique does it
    check: str = ""  # the command that checks it again
    explains: tuple[str, ...] = ()  # symptoms that are consequences of this one, told with it and not beside it
    techniques: tuple[str, ...] = ()  # names to try, in order; filled in from the catalog
    id: str = ""  # of the rule, for `hasten explain`; filled in from the registry
    source: str = ""  # where the threshold comes from; filled in from the rule's page
    folded: tuple[str, ...] = ()  # sentences of findings that follow from this one
    by_hand: bool = False  # only the code can change it, though others of this symptom have remedies
    cause: str = ""  # what the rule saw behind it, where that calls for other remedies than the symptom alone

    @property
    def recoverable(self) -> float:
        """The share of the time that could be saved at most; 0 where speed is not the point."""
        return 0.0 if self.bound is None else 1 - 1 / self.bound


class Found(Record, frozen=True):
    """A finding of a training under way, told once; `step` is that of the training, counted from 1."""

    finding: Finding
    step: int


class Abstained(Record, frozen=True):
    """A rule that could not judge, and which signal it lacked."""

    symptom: str
    reason: str


class Diagnosis(Record, frozen=True):
    """What all rules said: findings with the most to gain first, and the rules that could not judge."""

    verdict: str  # one sentence of at most 25 words
    findings: tuple[Finding, ...] = ()
    abstained: tuple[Abstained, ...] = ()
    silent: tuple[str, ...] = ()  # symptoms that were looked for and are not there
    fix: Fix | None = None  # what trying the remedies showed; None where they were not tried

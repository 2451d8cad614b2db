"""What became of each line of a plan: applied, refused, or applied without effect."""

from enum import StrEnum

from hasten.base.records.record import Record


class Outcome(StrEnum):
    """What became of a technique."""

    APPLIED = "applied"  # and its effect was seen, where it can be
    UNSEEN = "applied, effect not seen yet"  # the steps in which it would show were not made
    WITHOUT_EFFECT = "applied without effect"
    TODO = "needs lines in the loop"
    REFUSED = "refused"
    TRIED = "being tried in steps of the loop"
    NOT_KEPT = "not kept"  # it was tried in steps of the loop


class Line(Record, frozen=True):
    """One technique of a plan and what became of it."""

    technique: str
    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.technique}: {self.outcome}" + (f": {self.detail}" if self.detail else "")


class Report(Record, frozen=True):
    """A line for each technique of a plan, or that was tried in steps of the loop; then `remark` tells of these."""

    lines: tuple[Line, ...] = ()
    remark: str = ""

    def __str__(self) -> str:
        said = [str(line) for line in self.lines]
        return "\n".join([*said, self.remark] if self.remark else said) or "the plan is empty"

    def of(self, technique: str) -> Line:
        """Return the line of a technique."""
        return next(line for line in self.lines if line.technique == technique)

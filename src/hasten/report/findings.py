"""What fixing a finding could gain and what to do about it, as text."""

from collections.abc import Sequence

from hasten.base.records.finding import Finding
from hasten.report.wording import joined, times

_SHOWN = 4
_WORTH_TELLING = 1.01


def gain(finding: Finding) -> str:
    """Return the largest possible gain as a sentence after a space, or nothing where that is not known."""
    if finding.bound is None or finding.bound < _WORTH_TELLING:
        return ""
    source = f" ({finding.bound_from})" if finding.bound_from else ""
    return f" Fixing it gives at most {times(finding.bound)}{source}."


def remedy(finding: Finding) -> str:
    """Return what to do as a sentence after a space: techniques by name, and what a person can do; or nothing."""
    advice = finding.advice.rstrip(".")
    if finding.techniques:
        return f" Try {joined(_first(finding.techniques))}{': ' if advice else ''}{advice}."
    return f" {advice[0].upper()}{advice[1:]}." if advice else ""


def _first(names: Sequence[str]) -> list[str]:
    """Return the names that come first, and how many more there are."""
    more = len(names) - _SHOWN
    return list(names) if more <= 1 else [*names[:_SHOWN], f"{more} more"]

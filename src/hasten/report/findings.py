"""What fixing a finding could gain, what to do about it and what trying it showed, as text."""

from collections.abc import Iterable, Sequence

from hasten.base.records.evidence import Evidence
from hasten.base.records.finding import Finding
from hasten.base.records.record import Record
from hasten.base.records.trial import Trial
from hasten.base.units import digits3
from hasten.report.wording import bounds, is_known, joined, times

_SHOWN = 4
_WORTH_TELLING = 1.01


class FindingRow(Record, frozen=True):
    """One finding: what was looked for, what was found, what to do, and what trying that showed."""

    symptom: str
    severity: str
    found: str
    limit: str  # the number that was looked at, and from which on the rule fires
    remedy: str  # what fixing it gives at most, and how
    tried: str  # the techniques that treat it, with their verdicts


def finding_rows(evidence: Evidence) -> tuple[FindingRow, ...]:
    """Return what the rules found, the most to gain first; nothing where the profile was not judged."""
    diagnosis = evidence.profile.diagnosis
    trials = {trial.technique: trial for trial in evidence.tuning.trials}  # the last of each
    return tuple(
        FindingRow(
            symptom=one.symptom,
            severity=one.severity.value,
            found=one.sentence,
            limit=f"measured {digits3(one.value)}, the rule fires from {digits3(one.threshold)}",
            remedy=f"{gain(one)}{remedy(one)}".strip(),
            tried=tried(one.techniques, trials.values()),
        )
        for one in (diagnosis.findings if diagnosis is not None else ())
    )


def tried(names: Sequence[str], trials: Iterable[Trial]) -> str:
    """Return the verdict of each technique in words; nothing where there is none to try."""
    by_name = {trial.technique: trial for trial in trials}
    said = [_verdict(name, by_name.get(name)) for name in names[:_SHOWN]]
    return "; ".join([*said, f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else said)


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


def _verdict(name: str, trial: Trial | None) -> str:
    if trial is None:
        return f"{name} not tried"
    found = trial.speedup
    shown = f", {times(found.value)} {bounds(found)}" if found is not None and is_known(found) else ""
    return f"{name} {trial.verdict.value}{shown}"


def _first(names: Sequence[str]) -> list[str]:
    """Return the names that come first, and how many more there are."""
    more = len(names) - _SHOWN
    return list(names) if more <= 1 else [*names[:_SHOWN], f"{more} more"]

"""From a profile to its findings, the largest possible gain first."""

from collections.abc import Mapping

from hasten.base.records.finding import Abstained, Diagnosis, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent, seconds
from hasten.diagnosis.registry import RULES
from hasten.diagnosis.rule import Rule

_WEIGHT = {Severity.CRITICAL: 2, Severity.WARNING: 1, Severity.NOTE: 0}


def diagnose(profile: Profile, machine: Machine, *, rules: Mapping[str, Rule] = RULES) -> Diagnosis:
    """Return what every rule says of a profile.

    A finding that follows from another one, by what that one explains, is told after it and never first, however much
    it seems to cost.

    Args:
        profile: as complete as possible: a rule whose signal is missing abstains.
        machine: with its measured peaks.
        rules: symptom -> rule.
    """
    outcomes = {name: rule(profile, machine) for name, rule in rules.items()}
    findings = in_order([one for one in outcomes.values() if isinstance(one, Finding)])
    return Diagnosis(
        verdict=verdict(profile, findings),
        findings=findings,
        abstained=tuple(one for one in outcomes.values() if isinstance(one, Abstained)),
        silent=tuple(name for name, one in outcomes.items() if one is None),
    )


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings with the most to gain first, those that another one explains after all others.

    What costs no time (memory) stands where its severity puts it among the rest; what will end the training, before
    all that only slows it.
    """
    found = {one.symptom for one in findings}
    explained = {name for one in findings for name in one.explains if name in found}

    def rank(finding: Finding) -> tuple[bool, int, bool, float]:
        fatal = finding.severity is Severity.CRITICAL and finding.bound is None
        return finding.symptom in explained, -_WEIGHT[finding.severity], not fatal, -finding.recoverable

    return tuple(sorted(findings, key=rank))


def verdict(profile: Profile, findings: tuple[Finding, ...]) -> str:
    """Return the first finding with its possible gain in at most 25 words, or that there is none."""
    if not findings:
        largest = max(profile.parts, key=lambda part: part.share)
        step_s = seconds(profile.step_s.value)
        return f"No problem found: a step takes {step_s}, {percent(largest.share)} of it {largest.name}."
    first = findings[0]
    if first.bound is None or first.bound < 1.01:
        return first.sentence
    return f"{first.sentence.rstrip('.')}; fixing it gives at most {first.bound:.2f}x."

"""From a profile, or from the health of a training, to its findings."""

from collections.abc import Mapping, Sequence

import msgspec

from hasten.base.records.finding import Abstained, Diagnosis, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent, plural, seconds
from hasten.diagnosis.pages import source_of
from hasten.diagnosis.registry import HEALTH_RULES, IDENTIFIERS, RULES
from hasten.diagnosis.rule import HealthRule, Outcome, Rule

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
    findings = in_order(_found(outcomes))
    return _diagnosis(outcomes, findings, verdict(profile, findings))


def diagnose_health(health: Health, *, rules: Mapping[str, HealthRule] = HEALTH_RULES) -> Diagnosis:
    """Return what every rule says of the health of a training; findings that follow from another one are folded.

    Args:
        health: a rule whose part of it is missing abstains.
        rules: symptom -> rule.
    """
    outcomes = {name: rule(health) for name, rule in rules.items()}
    findings = folded(in_order(_found(outcomes)), tuple(outcomes))
    return _diagnosis(outcomes, findings, findings[0].sentence if findings else _healthy(health))


def _healthy(health: Health) -> str:
    if health.steps:
        return f"No problem found in {plural(health.steps, 'step')}."
    return "No problem found in what was seen, but no optimizer of torch made an update, so most checks were skipped."


def _found(outcomes: Mapping[str, Outcome]) -> list[Finding]:
    return [
        msgspec.structs.replace(one, id=IDENTIFIERS.get(one.symptom, ""), source=source_of(one.symptom))
        for one in outcomes.values()
        if isinstance(one, Finding)
    ]


def _diagnosis(outcomes: Mapping[str, Outcome], findings: tuple[Finding, ...], verdict: str) -> Diagnosis:
    return Diagnosis(
        verdict=verdict,
        findings=findings,
        abstained=tuple(one for one in outcomes.values() if isinstance(one, Abstained)),
        silent=tuple(name for name, one in outcomes.items() if one is None),
    )


def folded(findings: Sequence[Finding], order: Sequence[str]) -> tuple[Finding, ...]:
    """Return the root causes, each with the sentences of what it explains, which are left out.

    Args:
        findings: in any order, which is kept.
        order: symptoms, causes first, for findings that explain each other.
    """
    place = {symptom: number for number, symptom in enumerate(order)}
    explains = {one.symptom: one.explains for one in findings}
    explained = {name for one in findings for name in one.explains}
    root: dict[str, str] = {}
    for one in sorted(findings, key=lambda finding: (finding.symptom in explained, place[finding.symptom])):
        cause = next((name for name in root if one.symptom in explains[name]), None)
        root[one.symptom] = one.symptom if cause is None else root[cause]
    return tuple(
        msgspec.structs.replace(
            one,
            folded=tuple(
                other.sentence for other in findings if other is not one and root[other.symptom] == one.symptom
            ),
        )
        for one in findings
        if root[one.symptom] == one.symptom
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

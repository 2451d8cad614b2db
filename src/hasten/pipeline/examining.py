"""A profile judged by every rule, with what to try against each finding."""

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from hasten.base.records.card import Card
from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.stages import Guarantee
from hasten.diagnosis.diagnose import diagnose
from hasten.profiling.profile import DEPTH_BUDGET_S, TIMEOUT_S, profile_in_depth
from hasten.techniques.applying import why_refused
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe

_LIGHTEST_FIRST = tuple(Guarantee)


def examine(
    recipe: Recipe,
    machine: Machine,
    *,
    plan: Sequence[str] = (),
    budget_s: float = DEPTH_BUDGET_S,
    timeout_s: float = TIMEOUT_S,
    trace: Path | None = None,
) -> Profile:
    """Return the deep profile of a recipe with its diagnosis; the arguments are those of `profile_in_depth`."""
    found = profile_in_depth(recipe, machine, plan=plan, budget_s=budget_s, timeout_s=timeout_s, trace=trace)
    return judged(found, recipe, machine)


def judged(found: Profile, recipe: Recipe, machine: Machine) -> Profile:
    """Return the profile of a recipe with its diagnosis; rules whose signal it lacks abstain."""
    said = diagnose(found, machine)
    symptoms = {finding.symptom for finding in said.findings}
    usable = usable_cards(recipe, machine, against=symptoms, without=found.plan)
    findings = tuple(with_remedies(finding, usable) for finding in said.findings)
    diagnosis = msgspec.structs.replace(said, findings=findings)
    return msgspec.structs.replace(found, verdict=said.verdict, diagnosis=diagnosis)


def usable_cards(recipe: Recipe, machine: Machine, *, against: Collection[str], without: Sequence[str]) -> list[Card]:
    """Return the cards of the techniques that do not refuse this recipe here, what changes least first.

    Args:
        recipe: to be improved.
        machine: what it runs on.
        against: symptoms; a technique that treats none of them is not asked, for to refuse may take a measurement.
        without: names of techniques that it uses already.
    """
    cards = [
        kind.card
        for kind in techniques().values()
        if kind.card.name not in without
        and any(symptom in against for symptom in kind.card.treats)
        and why_refused(kind(), recipe, machine) is None
    ]
    return sorted(cards, key=lambda card: _LIGHTEST_FIRST.index(card.guarantee))


def with_remedies(finding: Finding, usable: Sequence[Card]) -> Finding:
    """Return the finding with the names of the techniques that treat it, in their order."""
    names = tuple(card.name for card in usable if finding.symptom in card.treats)
    return msgspec.structs.replace(finding, techniques=names)

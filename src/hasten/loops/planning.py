"""A plan applied to the recipe of a loop, technique by technique, with what cannot be done said for each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from hasten.base.errors import BadInput, Refused
from hasten.base.records.effect import Line, Outcome
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.loops.given import Given
from hasten.loops.todo import impossible, lines
from hasten.techniques.applying import apply_all, chosen_technique, conflict, in_order, make
from hasten.techniques.plan_file import read_plan
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique

PlanOf: TypeAlias = Plan | Path | str | Iterable[Technique | type[Technique] | str]
"""A plan, its file, or techniques: names, classes, instances."""


@dataclass(frozen=True)
class Planned:
    """The recipe of a loop with a plan; what is used of it, what was refused, and the lines that the owner adds.

    `verified` says for techniques what a verification found.
    """

    recipe: Recipe
    used: tuple[Technique, ...]
    refused: tuple[Line, ...]
    todo: tuple[Line, ...]
    verified: Mapping[str, str] = field(default_factory=dict[str, str])


def techniques_of(plan: PlanOf) -> list[Technique]:
    """Return the techniques of a plan in the order in which they are applied.

    Raises:
        BadInput: if the file cannot be read, a name is unknown, or two techniques conflict.
    """
    if isinstance(plan, str | Path):
        plan = read_plan(Path(plan))
    if isinstance(plan, Plan):
        chosen = [make(choice.technique, choice.knobs) for choice in plan.choices]
    else:
        chosen = [chosen_technique(one) for one in plan]
    ordered = in_order(chosen)
    reason = conflict([one.card for one in ordered])
    if reason is not None:
        raise BadInput(f"{reason}. Leave one of them out of the plan.")
    return ordered


def planned(chosen: Iterable[Technique], given: Given, plain: Recipe, machine: Machine) -> Planned:
    """Apply techniques in order; those that refuse the loop, or that no loop of one's own can have, are left out."""
    recipe, used, refused, todo = plain, list[Technique](), list[Line](), list[Line]()
    for one in chosen:
        try:
            changed = apply_all([one], recipe, machine)
            reason = impossible(given, recipe, changed)
        except Refused as error:
            changed, reason = recipe, error.reason
        if reason is not None:
            refused.append(Line(technique=one.card.name, outcome=Outcome.REFUSED, detail=reason))
            continue
        needed = lines(recipe, changed)
        if needed:
            todo.append(Line(technique=one.card.name, outcome=Outcome.TODO, detail="; ".join(needed)))
        used.append(one)
        recipe = changed
    return Planned(recipe, tuple(used), tuple(refused), tuple(todo))


def without(
    done: Planned, wrong: Mapping[str, str], verified: Mapping[str, str], given: Given, plain: Recipe, machine: Machine
) -> Planned:
    """Return a plan without the techniques that are wrong (name -> why), which are refused for that."""
    kept = done
    if wrong:
        kept = planned([one for one in done.used if one.card.name not in wrong], given, plain, machine)
    lines = tuple(Line(technique=name, outcome=Outcome.REFUSED, detail=why) for name, why in wrong.items())
    return replace(kept, refused=(*done.refused, *kept.refused, *lines) if wrong else done.refused, verified=verified)

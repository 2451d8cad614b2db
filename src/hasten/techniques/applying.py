"""From a plan to a recipe: the techniques' order, their conflicts and their refusals."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

import msgspec

from hasten.base.errors import BadInput, HastenError, Refused, error_text, unknown_name
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Choice, Knob, Plan
from hasten.base.stages import STAGES
from hasten.techniques.dry_run import dry_run, layer_of
from hasten.techniques.old_names import current_name
from hasten.techniques.registry import register, technique, techniques
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique, knobs_of

LARGEST = 2**31 - 1
"""Size of the largest number that a knob may be: what torch's settings take, and more than any of them can mean."""


def knob_names(kind: type[Technique]) -> tuple[str, ...]:
    """Return the names of a technique's knobs."""
    return tuple(field.name for field in fields(kind))  # type: ignore[arg-type]  (every technique is a dataclass)


def make(name: str, knobs: dict[str, Knob] | None = None) -> Technique:
    """Return the technique of that name with its knobs set.

    Raises:
        BadInput: if the technique or a knob is unknown, or a value is out of its range.
    """
    kind = technique(current_name(name))
    for knob, value in (knobs or {}).items():
        if knob not in knob_names(kind):
            raise unknown_name(f"knob of {name!r}", knob, knob_names(kind))
        if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
            raise BadInput(f"the knob {knob!r} of {name!r} must be a number of at most {LARGEST}; found {value}.")
    try:
        return msgspec.convert(knobs or {}, kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"the knobs of {name!r} must be in range; found: {error}.") from error


def knob_types(kind: type[Technique]) -> dict[str, Any]:
    """Return knob -> annotated type, for documentation."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in knob_names(kind)}


def conflict(cards: Sequence[Card]) -> str | None:
    """Return why these techniques cannot be combined, or None."""
    names = [card.name for card in cards]
    for card in cards:
        for other in card.conflicts:
            if other in names:
                return f"{card.name} cannot be combined with {other}"
    doubled = {name for name in names if names.count(name) > 1}
    return f"{', '.join(sorted(doubled))} is listed more than once" if doubled else None


def compatible(chosen: Iterable[Technique]) -> list[list[Technique]]:
    """Return the techniques in as few lists as go, the first ones first; none in a list conflicts with another."""
    found: list[list[Technique]] = []
    for one in chosen:
        fit = next((some for some in found if conflict([other.card for other in (*some, one)]) is None), None)
        if fit is None:
            found.append([one])
        else:
            fit.append(one)
    return found


def in_order(chosen: Iterable[Technique]) -> list[Technique]:
    """Return the techniques in the order of their stages, and within a stage after those named in `after`."""
    remaining = sorted(chosen, key=lambda one: (STAGES.index(one.card.stage), one.card.name))
    ordered: list[Technique] = []
    while remaining:
        waiting = {one.card.name for one in remaining}
        ready = next((one for one in remaining if not waiting & set(one.card.after)), None)
        if ready is None:
            raise BadInput(f"cyclic `after` dependency between the cards of {', '.join(sorted(waiting))}.")
        ordered.append(ready)
        remaining.remove(ready)
    return ordered


def apply_each(chosen: Iterable[Technique], recipe: Recipe, machine: Machine) -> Iterator[tuple[Technique, Recipe]]:
    """Yield each technique with the recipe up to and including it, in order.

    Those that the training uses already are among them, in their places; where nothing is chosen, nothing is yielded.

    Raises:
        BadInput: if two of them conflict.
        Refused: if one of them cannot help here; the message has its reason.
    """
    chosen = list(chosen)
    reason = conflict([one.card for one in chosen])
    if reason is not None:
        raise BadInput(f"{reason}. Leave one of them out of the plan.")
    for one in chosen:
        if (why := why_not_beside_uses(one, recipe)) is not None:
            raise _refusal(one, recipe, why)
    used = recipe.uses if recipe.bare is not None and chosen else ()
    recipe = recipe.bare if recipe.bare is not None and chosen else recipe
    for one in in_order([*used, *chosen]):
        why = None if one in used else why_refused(one, recipe, machine)
        if why is not None:
            raise _refusal(one, recipe, why)
        recipe = _applied(one, recipe)
        yield one, recipe


def _applied(one: Technique, recipe: Recipe) -> Recipe:
    try:
        return one.apply(recipe)
    except HastenError:
        raise
    except Exception as error:
        why = f"applying it with {knobs_of(one) or 'its default knobs'} failed: {error_text(error)}"
        raise _refusal(one, recipe, why) from error


def _refusal(one: Technique, recipe: Recipe, why: str) -> Refused:
    message = f"{one.card.name} cannot be used on {recipe.subject.name!r}: {why}. Leave it out of the plan."
    return Refused(message, reason=why)


def chosen_technique(item: Technique | type[Technique] | str) -> Technique:
    """Return the technique that an item of a list means: a name, a class, or an instance with its knobs.

    A class that hasten does not know yet is registered for this process.

    Raises:
        BadInput: if the name is unknown, or another technique has the name of the class.
    """
    if isinstance(item, str):
        return make(item)
    kind = item if isinstance(item, type) else type(item)
    card = getattr(kind, "card", None)
    if not isinstance(card, Card) or techniques().get(card.name) is not kind:
        register(kind)
    return kind() if isinstance(item, type) else item


def plan_of(task: str, chosen: Iterable[Technique | type[Technique] | str]) -> Plan:
    """Return the plan with these techniques and their knobs; see `chosen_technique`."""
    made = [chosen_technique(item) for item in chosen]
    return Plan(task=task, choices=tuple(Choice(technique=one.card.name, knobs=knobs_of(one)) for one in made))


def why_refused(one: Technique, recipe: Recipe, machine: Machine) -> str | None:
    """Return why a technique refuses a recipe, or None.

    A batch of a form that it cannot use, a fact that nobody knows, and what it raises when it tries the model are
    reasons, too; so are a technique that the training uses already, and a step of the task's own.
    """
    why = why_not_beside_uses(one, recipe) or why_not_in_own_step(one, recipe)
    if why is not None:
        return why
    try:
        return one.refuse(recipe, machine)
    except HastenError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  (it runs the person's model)
        layer = layer_of(error)
        where = f" in the layer {layer!r}" if layer else ""
        return f"it failed{where} when it was tried on two samples: {error_text(error)}"


def why_not_beside_uses(one: Technique, recipe: Recipe) -> str | None:
    """Return that the training uses a technique already, or one that it cannot be combined with; else None."""
    used = [other.card for other in recipe.uses]
    if one.card.name in {card.name for card in used}:
        return "the training uses it already (Task.uses)"
    reason = conflict([one.card, *used])
    return None if reason is None else f"{reason}, and the training uses one of them (Task.uses)"


def why_not_in_own_step(one: Technique, recipe: Recipe) -> str | None:
    """Return what a technique changes that a step of the task's own does itself; None where it has none."""
    if recipe.task_step is None:
        return None
    try:
        changed = one.apply(recipe)
    except Exception:  # noqa: BLE001  (it is asked before it could refuse, which it does next)
        return None
    for does, is_changed in (
        ("makes its own backward passes", changed.backward != recipe.backward),
        ("updates the parameters itself, so nothing can change gradients before", changed.gradient != recipe.gradient),
        ("uses the optimizers of the task", changed.update.optimizer is not recipe.update.optimizer),
        ("computes its losses itself", changed.forward.loss is not recipe.forward.loss),
        ("calls the model itself", changed.forward.predict is not recipe.forward.predict),
        ("computes its losses itself, so samples cannot be weighed", changed.input.sampling != recipe.input.sampling),
        ("is a whole step", changed.step is not recipe.step),
    ):
        if is_changed:
            return f"the task's own step (Task.step) {does}"
    return None


def apply_all(chosen: Iterable[Technique], recipe: Recipe, machine: Machine) -> Recipe:
    """Return the recipe with every technique applied, in order; see `apply_each`."""
    for _, changed in apply_each(chosen, recipe, machine):
        recipe = changed
    return recipe


def apply_plan(plan: Plan, recipe: Recipe, machine: Machine) -> Recipe:
    """Return the recipe with a plan applied, after a dry run of one step with it.

    Raises:
        BadInput: if the plan is for another task, or two of its techniques conflict.
        Refused: if a technique cannot be used here; names it and, where the dry run failed, the layer.
    """
    if plan.task != recipe.subject.name:
        raise BadInput(
            f"the plan is for the task {plan.task!r}, not for {recipe.subject.name!r}. "
            "Tune this task, or change the line `task = ` if the plan is meant for it."
        )
    chosen = [make(choice.technique, choice.knobs) for choice in plan.choices]
    applied = list(apply_each(chosen, recipe, machine))
    dry_run(applied, recipe)
    return applied[-1][1] if applied else recipe

"""The training as it is today, with the techniques that it uses already: what everything is measured against."""

from collections.abc import Iterator
from dataclasses import replace

from hasten.base.errors import BadInput, error_text
from hasten.base.records.machine import Machine
from hasten.techniques.applying import conflict, in_order, make, why_not_in_own_step, why_refused
from hasten.techniques.dry_run import dry_run
from hasten.training.recipe import Recipe, baseline, counted
from hasten.training.task import Task
from hasten.training.technique import Technique, labels_of

_LEAVE_OUT = "Leave it out of Task.uses."


def baseline_of(task: Task, machine: Machine) -> Recipe:
    """Return the recipe that trains a task as it is trained today, `Task.uses` included.

    Techniques that are used today are not asked whether they help here (`notes_on_uses` says it), but they must work:
    a step is tried.

    Raises:
        BadInput: if a technique or a knob is unknown, two conflict, or one cannot be applied.
        Refused: if the step fails with one of them, or one has no effect.
    """
    plain = counted(baseline(task, device="cuda" if machine.gpu is not None else "cpu"))
    if not task.uses:
        return plain
    applied = list(_applied(plain, _techniques(task), machine))
    dry_run(applied, applied[0][1].bare or plain, advice=_LEAVE_OUT)
    return applied[-1][1]


def untried_baseline(plain: Recipe, machine: Machine) -> Recipe:
    """Return a recipe with the techniques that its task uses today, without a step that shows that they work.

    Raises:
        BadInput: if a technique or a knob is unknown, two conflict, or one cannot be applied.
    """
    applied = list(_applied(plain, _techniques(plain.task), machine)) if plain.task.uses else []
    return applied[-1][1] if applied else plain


def notes_on_uses(recipe: Recipe, machine: Machine) -> tuple[str, ...]:
    """Return what the training uses today, and of what hasten would say that it cannot help here."""
    if not recipe.uses:
        return ()
    notes = [f"the training uses {', '.join(labels_of(recipe.uses))} (Task.uses): part of the baseline."]
    recipe_so_far = recipe.bare or recipe
    for one in recipe.uses:
        try:
            why = one.refuse(recipe_so_far, machine)
        except Exception:  # noqa: BLE001  (it is used anyway, and a step with it was tried)
            why = None
        if why is not None:
            notes.append(f"the training uses {one.card.name} (Task.uses), which may not help here: {why}.")
        recipe_so_far = one.apply(recipe_so_far)
    return tuple(notes)


def _techniques(task: Task) -> tuple[Technique, ...]:
    try:
        made = [make(name, dict(knobs)) for name, knobs in task.uses.items()]
    except BadInput as error:
        raise BadInput(f"Task.uses: {error}") from error
    reason = conflict([one.card for one in made])
    if reason is not None:
        raise BadInput(f"Task.uses: {reason}. Leave one of them out.")
    return tuple(in_order(made))


def _applied(plain: Recipe, chosen: tuple[Technique, ...], machine: Machine) -> Iterator[tuple[Technique, Recipe]]:
    """Yield each technique with the recipe up to and including it; all know the whole list."""
    bare = replace(plain, uses=chosen)
    recipe = replace(bare, bare=bare)
    for one in chosen:
        name = one.card.name
        why = why_not_in_own_step(one, recipe)
        if why is not None:
            raise BadInput(f"Task.uses: {name}: {why}. {_LEAVE_OUT}")
        try:
            changed = one.apply(recipe)
        except Exception as error:
            why = why_refused(one, plain, machine) or error_text(error)
            raise BadInput(f"Task.uses: {name} cannot be applied: {why}. {_LEAVE_OUT}") from error
        if changed.task is not plain.task:
            raise BadInput(
                f"Task.uses: {name} changes when the training ends. Give the task the batch size, schedule and stop "
                "rules that it has today instead."
            )
        recipe = changed
        yield one, recipe

"""The history of a task on a machine: what each tuning expected of its plan, and what came of it."""

from pathlib import Path

from hasten.base.errors import BadInput
from hasten.base.records.history import History, Outcome
from hasten.base.records.machine import Machine
from hasten.base.records.sealed import load_sealed, save_sealed
from hasten.training.recipe import Recipe
from hasten.tuning.known import evidence_path

MOST_OUTCOMES = 50
"""That are kept, the newest."""


def remembered(
    recipe: Recipe, machine: Machine, folder: Path, outcome: Outcome | None
) -> tuple[tuple[Outcome, ...], str]:
    """Add an outcome to the history of a training on a machine; return the history, and what went wrong with its file.

    Unlike the evidence of the search, the history stays when a plan turns out not to be faster, and over versions: a
    history of successes alone would say nothing. The model is built once, to tell trainings apart.

    Args:
        recipe: the baseline.
        machine: what it ran on.
        folder: the cache folder.
        outcome: the newest; None to read only.
    """
    path = evidence_path(recipe, machine, folder).with_suffix(".history.json")
    outcomes, note = tuple[Outcome, ...](), ""
    try:
        outcomes = load_sealed(History, path).outcomes if path.exists() else ()
    except BadInput as error:
        note = f"The history of this task starts anew: {error}"
    if outcome is None:
        return outcomes, note
    outcomes = (*outcomes, outcome)[-MOST_OUTCOMES:]
    try:
        save_sealed(History(outcomes=outcomes), path)
    except BadInput as error:
        note = f"The history of this task is not kept: {error}"
    return outcomes, note

"""What the verbs are given, read: plans, budgets, options, and the training as it is today."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from hasten.base.errors import BadInput
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.stages import FREE, Guarantee
from hasten.pipeline.budget import tuning_budget_s
from hasten.pipeline.job import Options
from hasten.techniques.applying import chosen_technique, plan_of
from hasten.techniques.baseline import baseline_of, notes_on_uses
from hasten.techniques.old_names import current_name
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.techniques.registry import technique
from hasten.training.check import check as check_task
from hasten.training.processes import rank_here
from hasten.training.recipe import Recipe
from hasten.training.running import Show
from hasten.training.task import Task
from hasten.training.technique import Technique

RUNS = Path("runs")
Chosen: TypeAlias = Technique | type[Technique] | str
"""A technique by its name, its class, or an instance with its knobs set."""


def silent(record: object) -> None:
    """Show nothing."""


def check_trainable(task: Task, show: Show) -> None:
    """Raise an error if the task cannot be trained, and show what to know about it."""
    for note in check_task(task):
        show(Note(text=note))


def baseline_shown(task: Task, machine: Machine, show: Show) -> Recipe:
    """Return the training as it is today, and show the techniques that it uses."""
    recipe = baseline_of(task, machine)
    for note in notes_on_uses(recipe, machine):
        show(Note(text=note))
    return recipe


def plan_given(plan: Plan | Path | Iterable[Chosen] | None, task: Task) -> Plan:
    """Return a plan, the plan of a file, or the one of some techniques; an empty one for None."""
    if isinstance(plan, Plan):
        return plan
    if isinstance(plan, Path):
        return read_plan(plan)
    if isinstance(plan, str):
        raise BadInput(f"a plan must be a Plan, a Path or a list of techniques; found the text {plan!r}.")
    return plan_of(task.name, plan or ())


def budget_given(text: str | None) -> Callable[[float], float | None]:
    """Return seconds of the planned training -> seconds to spend, None by default; what cannot be read raises here."""
    if text is not None:
        tuning_budget_s(text, planned=1.0)
    return lambda planned_s: None if text is None else tuning_budget_s(text, planned_s)


def options_given(
    budget: str | None,
    allow: Iterable[Guarantee | str],
    only: Iterable[Chosen] | None,
    exclude: Iterable[str],
    accept: Iterable[str],
    seeds: int | None = None,
    *,
    fresh: bool = False,
    study: str | None = None,
    command: str = "",
) -> Options:
    """Return the options of a tuning; names that nobody knows raise here."""
    return Options(
        budget=budget,
        allow=FREE | {Guarantee(one) for one in allow},
        only=None if only is None else tuple(chosen_technique(one) for one in only),
        exclude=frozenset(technique(current_name(name)).card.name for name in exclude),
        accept=frozenset(accept),
        seeds=seeds,
        fresh=fresh,
        study=study,
        command=command,
    )


def of_first(show: Show) -> Show:
    """Return what shows, which of processes that were started together only the first does."""
    return show if rank_here() == 0 else silent


def diagnose_command(task: Task) -> str:
    """Return the command that looks at the health of a task again; nothing where no command names it."""
    return f"hasten diagnose {task.command}" if task.command else ""


def load_plan(path: Path | str) -> Plan:
    """Return the plan of a TOML file; old names of techniques are read with a warning.

    Raises:
        BadInput: if the file cannot be read or names an unknown technique or knob; with the line.
    """
    return read_plan(Path(path))


def save_plan(plan: Plan, path: Path | str) -> None:
    """Write a plan as a TOML file, atomically."""
    write_plan(plan, Path(path))

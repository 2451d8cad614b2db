"""The verbs that measure techniques: run, tune, verify_plan, compare."""

import math
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

from hasten.api.given import (
    RUNS,
    Chosen,
    baseline_shown,
    budget_given,
    check_trainable,
    options_given,
    plan_given,
    silent,
)
from hasten.base.cache_folder import cache_folder
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.records.reproof import Reproof
from hasten.base.records.side_by_side import SideBySide
from hasten.base.records.trial import Tuning
from hasten.base.stages import Guarantee
from hasten.machine import facts, load_cached
from hasten.pipeline.examining import judged
from hasten.pipeline.job import Job, remember, run_tuning
from hasten.pipeline.job import run as run_job
from hasten.pipeline.plan_check import check_plan
from hasten.pipeline.proving import prove_again
from hasten.pipeline.side_by_side import SEEDS, Side, side_by_side
from hasten.profiling.profile import profile as profile_recipe
from hasten.techniques.applying import apply_plan
from hasten.training.run_folder import make_run_folder
from hasten.training.running import Show
from hasten.training.task import Task
from hasten.tuning.break_even import planned_s
from hasten.tuning.budget import SHORTEST_S
from hasten.tuning.study import alone


def run(
    task: Task,
    *,
    budget: str | None = None,
    allow: Iterable[Guarantee | str] = (),
    only: Iterable[Chosen] | None = None,
    exclude: Iterable[str] = (),
    accept: Iterable[str] = (),
    seeds: int | None = None,
    fresh: bool = False,
    command: str = "",
    runs: Path = RUNS,
    show: Show = silent,
) -> Job:
    """Do the main job: measure, profile, tune, train with the plan, compare with the baseline, report.

    Args:
        task: what to train.
        budget: of tuning, "2m" or "5%"; None for 5 % of the planned training, at least 30 s (or 700 steps, up to 2
            minutes), at most 10 minutes.
        allow: guarantees beyond the free ones that tuning may use: "trajectory", "model".
        only: the techniques to try: names, classes, or instances with knobs set; None for all. A class that hasten
            does not know is registered for this process.
        exclude: names of techniques not to try.
        accept: names of techniques that tuning keeps if they are faster, although their guarantee is not proven.
        seeds: pairs of trainings to compare; None for as many as fit into 25 s.
        fresh: ignore what earlier tunings of the same training found; else that is taken up, and its time counts.
        command: that repeats this job, for its report.
        runs: where the run's folder is made.
        show: called with every record as it is known.

    Returns:
        The run's folder and its evidence.

    Raises:
        BadInput: if the task cannot be trained; the message says what must be changed.
    """
    options = options_given(budget, allow, only, exclude, accept, seeds, fresh=fresh, command=command)
    check_trainable(task, show)
    folder = make_run_folder(runs, task.name, datetime.now())
    show(machine := load_cached(quick=True))
    return run_job(baseline_shown(task, machine, show), machine, folder=folder, options=options, show=show)


def tune(
    task: Task,
    *,
    budget: str | None = None,
    allow: Iterable[Guarantee | str] = (),
    only: Iterable[Chosen] | None = None,
    exclude: Iterable[str] = (),
    accept: Iterable[str] = (),
    fresh: bool = False,
    study: str | None = None,
    show: Show = silent,
) -> Tuning:
    """Try techniques on a task in paired experiments, and return every trial and the plan that they prove.

    Args:
        task: what to tune.
        budget: see `run`.
        allow: see `run`.
        only: see `run`.
        exclude: see `run`.
        accept: see `run`.
        fresh: see `run`.
        study: URL of a database, "sqlite:///FILE" or "postgresql://...", in which workers share what they find about
            this training on machines of this kind; None keeps it on this machine. Needs the package optuna.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task cannot be trained, a name is unknown, or the study cannot be used.
    """
    check_trainable(task, show)
    options = options_given(budget, allow, only, exclude, accept, fresh=fresh, study=study)
    with nullcontext() if study is None else alone(cache_folder(), lambda text: show(Note(text=text))):
        show(machine := load_cached(quick=True))
        recipe = baseline_shown(task, machine, show)
        show(anatomy := judged(profile_recipe(recipe, machine), recipe, machine))
        tuning = run_tuning(recipe, machine, anatomy, options, show=show)
    remember(recipe, machine, tuning, show=show)
    return tuning


def verify_plan(
    task: Task, plan: Plan | Path | Iterable[Chosen], *, budget: str | None = None, show: Show = silent
) -> Reproof:
    """Prove a plan again: its numerical gates, and one paired measurement against the baseline.

    Args:
        task: what it is for.
        plan: see `train`.
        budget: seconds to spend, "2m", or a share of the planned training, "5%"; None for 30 s.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task or the plan cannot be used, or the plan is empty.
        Refused: if a technique of the plan cannot be used here, or breaks its guarantee.
    """
    allowed = budget_given(budget)
    check_trainable(task, show)
    chosen, machine = plan_given(plan, task), facts()
    recipe = baseline_shown(task, machine, show)
    apply_plan(chosen, recipe, machine)  # what cannot be used, or is for another task, is told before it is measured
    if not chosen.choices:
        raise BadInput("there is nothing to prove: the plan has no technique.")
    anatomy = profile_recipe(recipe, machine) if budget is not None and "%" in budget else None
    planned = math.inf if anatomy is None else planned_s(recipe, anatomy.step_s.value)
    if (checked := check_plan(chosen, recipe, machine)) is not None:
        show(checked)
    show(found := prove_again(chosen, recipe, machine, budget_s=allowed(planned) or SHORTEST_S))
    return found


def compare(
    task: Task,
    a: Plan | Path | Iterable[Chosen] | None,
    b: Plan | Path | Iterable[Chosen] | None,
    *,
    names: tuple[str, str] = ("a", "b"),
    pythons: tuple[Path | None, Path | None] = (None, None),
    seeds: int = SEEDS,
    words: Iterable[str] = (),
    show: Show = silent,
) -> SideBySide:
    """Train a task with two plans from the same seeds, and say which one reaches equal quality sooner.

    Args:
        task: what to train.
        a: what `b` is compared with: see `train`; None for the plain training.
        b: the other plan.
        names: what the sides are called.
        pythons: the interpreter of each side, with its own versions of hasten and of libraries; None for this process.
            If one side has another one, both are trained in processes of their own.
        seeds: pairs of trainings, at least 2.
        words: the task as it is typed after `hasten train`, where an interpreter is given.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task or a plan cannot be used.
        Refused: if a technique cannot be used here.
        TrainingFailed: if a training fails.
    """
    if seeds < 2:
        raise BadInput(f"a comparison needs at least 2 seeds for an interval; found {seeds}.")
    check_trainable(task, show)
    machine = facts()
    sides = [
        Side(name, plan_given(plan, task), python) for name, plan, python in zip(names, (a, b), pythons, strict=True)
    ]
    recipe = baseline_shown(task, machine, show)
    return side_by_side(recipe, machine, sides[0], sides[1], seeds=seeds, words=tuple(words), show=show)

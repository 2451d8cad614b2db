"""The verb that trains."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from hasten.api.given import (
    RUNS,
    Chosen,
    baseline_shown,
    check_trainable,
    diagnose_command,
    of_first,
    plan_given,
    silent,
)
from hasten.base.errors import BadInput
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.records.record import save
from hasten.machine import facts
from hasten.pipeline.autotuning import Together, going_on, tuning_inside
from hasten.pipeline.eject.keeping import keep_script
from hasten.pipeline.less_memory import in_what_fits, train_in_memory, train_together_in_memory
from hasten.pipeline.loggers.logging import Logging, check_trackers
from hasten.pipeline.plan_check import PLAN_CHECK, check_plan
from hasten.pipeline.proving import changed_since
from hasten.pipeline.run_watch import RunWatch
from hasten.techniques.applying import apply_plan
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.training.checkpoint import is_saved
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import Processes, together
from hasten.training.recipe import Recipe
from hasten.training.restarts import begun_run, note_starter
from hasten.training.run_folder import MACHINE, PLAN, check_run_folder, keep_until, make_run_folder
from hasten.training.running import Show, Trained, Watch, run_training
from hasten.training.task import Task


def train(
    task: Task,
    plan: Plan | Path | Iterable[Chosen] | None = None,
    *,
    accept: Iterable[str] = (),
    runs: Path | None = RUNS,
    resume: Path | None = None,
    diagnose: bool = False,
    autotune: bool = False,
    log: Sequence[str] = (),
    rollbacks: int = 0,
    show: Show = silent,
) -> Trained:
    """Train a task, with or without a plan, and return the result and the plain model.

    Processes that were started together (`torchrun`, `hasten train --processes`) train one model: each computes its
    share of every batch, and losses, metrics and weights are those of one process, but for rounding. The first one
    shows and writes what there is.

    A plan is checked by the numerical gates of its techniques once before it trains, in seconds; where that would take
    longer, it is not, and the record `PlanCheck` that is shown says so.

    Args:
        task: what to train.
        plan: which techniques to use: a plan, its file, or techniques as in `only` of `run`. None with `resume` means
            the plan of that run.
        accept: names of techniques of the plan that are used although they break their guarantee.
        runs: where the run's folder is made; None to keep nothing.
        resume: the folder of a run to go on from.
        diagnose: watch the wiring and the dynamics, show each finding (`Found`) when it is made, and keep what was seen
            in the run's folder. The parameters are the same bit for bit.
        autotune: try techniques in blocks of the training's own steps and go on with those that are faster. Only those
            that change the forward pass alone and pass their numerical gate take part. A run that is resumed goes on
            with what it has found.
        log: trackers to tell of the losses and metrics: "tensorboard", "mlflow" or "wandb", each with a place after a
            colon if it is not the usual one: "mlflow:sqlite:///runs.db".
        rollbacks: how often a training whose loss or parameters become NaN or infinite goes back to its last good
            checkpoint and leaves out the batch that did it, before it ends there. It costs the steps since that
            checkpoint twice.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task, the plan or the checkpoint cannot be used.
        Refused: if a technique of the plan cannot be used here, or breaks its guarantee.
    """
    show = of_first(show)
    if rollbacks < 0:
        raise BadInput(f"a training goes back 0 times or more; found {rollbacks}.")
    if rollbacks and autotune:
        raise BadInput("--autotune changes steps that a rollback would repeat: leave it out, or --rollbacks.")
    if autotune and plan is not None:
        raise BadInput("a training with a plan is not tuned inside: leave the plan out, or --autotune.")
    if resume is not None:
        check_run_folder(resume, "Resume from the folder of a run")
    check_trackers(log)
    check_trainable(task, show)
    if plan is None and resume is not None:
        plan = _plan_of_run(resume, task)
    chosen = plan_given(plan, task)
    machine = facts()
    plain = baseline_shown(task, machine, show)
    if changed := changed_since(chosen, machine):
        again = f"hasten tune {task.command or 'TASK'} --verify PLAN"
        show(Note(text=f"the plan was proven {changed}: {again} proves it again"))
    with together(plain.parallel.device) as processes:
        folder, resumes = resume, resume is not None
        if processes is None:
            recipe = apply_plan(chosen, plain, machine)
        else:
            if resume is None and runs is not None:  # started again after one of them failed
                folder, resumes = _begun(processes, runs, plain)
            fits = in_what_fits(chosen, folder, plain, processes, machine, show)
            recipe = in_processes(apply_plan(fits, among(plain, processes), machine))
            _check_together(recipe, autotune=autotune, diagnose=diagnose)
        first = processes is None or processes.rank == 0
        if first:
            folder = _prepared(folder, runs, plain, chosen, machine, accept, show)
        if processes is not None:
            folder = _folder_of_first(processes, folder, plain)
        watch = None
        if first:
            watch = _watch(recipe, machine, folder, resume, autotune=autotune, diagnose=diagnose, show=show)
        name = folder.name if folder is not None else f"{task.name}-{datetime.now():%Y%m%d-%H%M%S}"
        with Logging(log if first else (), name, show) as shown:
            trained = partial(run_training, plan=chosen, show=shown, folder=folder, watch=watch, rollbacks=rollbacks)
            if processes is not None:
                return train_together_in_memory(
                    recipe, chosen, plain, machine, train=partial(trained, recipe, resume=resumes), folder=folder
                )
            return train_in_memory(
                recipe,
                chosen,
                plain,
                machine,
                train=lambda recipe, resume: trained(recipe, resume=resume),
                folder=folder,
                resume=resumes,
                show=shown,
            )


def _prepared(
    folder: Path | None,
    runs: Path | None,
    plain: Recipe,
    plan: Plan,
    machine: Machine,
    accept: Iterable[str],
    show: Show,
) -> Path | None:
    """Check the plan by its gates, and return the folder of the run, which is made where there is none yet."""
    checked = check_plan(plan, plain, machine, accept=frozenset(accept), folder=folder)
    if folder is None and runs is not None:
        folder = _new_run(runs, plain, plan, machine, show)
    if checked is not None:
        show(checked)
        if folder is not None:
            save(checked, folder / PLAN_CHECK)
    return folder


def _watch(
    recipe: Recipe,
    machine: Machine,
    folder: Path | None,
    resume: Path | None,
    *,
    autotune: bool,
    diagnose: bool,
    show: Show,
) -> Watch | None:
    """Return what looks at the steps of the training, if anything does."""
    inside = None
    if autotune:
        inside = tuning_inside(recipe, machine, folder=folder, show=show)
    elif resume is not None:
        inside = going_on(resume, machine)
    task = recipe.task
    seen = RunWatch(name=task.name, command=diagnose_command(task), folder=folder) if diagnose else None
    watches: list[Watch] = [one for one in (inside, seen) if one is not None]
    return Together(watches) if watches else None


def _check_together(recipe: Recipe, *, autotune: bool, diagnose: bool) -> None:
    """Raise `BadInput` where the training of several processes cannot be tuned or watched as is asked."""
    if autotune:
        raise BadInput("several processes are not tuned inside the training: tune before, with hasten tune.")
    if diagnose and recipe.parallel.sharded:
        raise BadInput(
            "--diagnose reads whole parameters and gradients; leave what divides the model (fsdp, tensor_parallel, "
            "pipeline_parallel) out of the plan."
        )
    if diagnose and recipe.parallel.keeps:
        raise BadInput(
            "--diagnose looks at the first process alone, and saving takes all of them where each keeps something of "
            "its own; leave powersgd, local_sgd and diloco out of the plan."
        )


def _begun(processes: Processes, runs: Path, recipe: Recipe) -> tuple[Path | None, bool]:
    """Return the run that these processes had begun, if they were started again, and whether it has a checkpoint.

    A collective: all take what the first one finds. Events of a run without a checkpoint will be made again.
    """
    begun = begun_run(runs)
    text = "" if begun is None else f"{int(is_saved(begun))}{begun}"
    found = processes.of_first(text, recipe.parallel.device)
    if not found:
        return None, False
    folder, saved = Path(found[1:]), found[0] == "1"
    if processes.rank == 0 and not saved:
        keep_until(folder, 0, evaluation_pending=False)
    return folder, saved


def _folder_of_first(processes: Processes, folder: Path | None, recipe: Recipe) -> Path | None:
    """Return the run folder of the first process, which gives it here. A collective."""
    found = processes.of_first(str(folder or ""), recipe.parallel.device)
    return Path(found) if found else None


def _new_run(runs: Path, plain: Recipe, plan: Plan, machine: Machine, show: Show) -> Path:
    """Make the folder of a run, with its plan, its machine and the script that leaves hasten; return it."""
    folder = make_run_folder(runs, plain.task.name, datetime.now())
    note_starter(folder)
    write_plan(plan, folder / PLAN)
    save(machine, folder / MACHINE)
    keep_script(plain, plan, folder, show)
    return folder


def _plan_of_run(folder: Path, task: Task) -> Plan:
    plan = read_plan(folder / PLAN)
    if plan.task != task.name:
        raise BadInput(
            f"{folder} must be a run of the task {task.name!r} to go on with it; found a run of {plan.task!r}. "
            "Nothing was changed. Resume with that task, or start anew without --resume."
        )
    return plan

"""`hasten run`: measure, tune, train, compare, report."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.cli.exit_codes import leave_if_diverged, leave_if_interrupted
from hasten.cli.next_command import without_plan
from hasten.cli.options import (
    RUNS,
    Accept,
    Allow,
    Budget,
    DataPath,
    Epochs,
    Exclude,
    Fresh,
    Only,
    Runs,
    Seed,
    ShowAll,
    Target,
    TaskName,
    chosen_task,
    guarantees,
    names_in,
)
from hasten.cli.sources import DataOptions, takes_data_options

if TYPE_CHECKING:
    from hasten.base.records.evidence import Evidence

PLAN = "plan.toml"

EXAMPLES = ("hasten run digits", "hasten run my_task.py --budget 5% --allow trajectory")


@takes_data_options("--column")
def run(
    ctx: typer.Context,
    task: TaskName = "digits",
    data: DataPath = None,
    *,
    options: DataOptions,
    budget: Budget = None,
    allow: Allow = "",
    only: Only = "",
    exclude: Exclude = "",
    accept: Accept = "",
    fresh: Fresh = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", metavar="N", help="Compare N pairs of trainings; by default as many as a minute holds."
        ),
    ] = None,
    target: Target = None,
    epochs: Epochs = None,
    seed: Seed = None,
    runs: Runs = RUNS,
    show_all: ShowAll = False,
) -> None:
    """Do everything: measure, tune, train, compare with the baseline, report."""
    from hasten import api
    from hasten.report.terminal import Screen

    allowed = guarantees(allow)
    chosen = chosen_task(task, data=data, options=options, target=target, epochs=epochs, seed=seed)
    with Screen(all_trials=show_all or bool(only)) as screen:  # who names techniques wants to know of each
        screen.show(Activity(text="measuring the machine"))
        job = api.run(
            chosen,
            budget=budget,
            allow=allowed,
            only=names_in(only) or None,
            exclude=names_in(exclude),
            accept=names_in(accept),
            seeds=seeds,
            fresh=fresh,
            command=shlex.join(["hasten", *sys.argv[1:]]),
            runs=runs,
            show=screen.show,
        )
        if job.evidence is None:
            leave_if_interrupted(job.interrupted_by, job.folder, ctx, screen)
            return
        if job.interrupted_by is not None:
            screen.say("interrupted during the comparison; the report has the complete pairs")
        screen.next(next_after(job.evidence, job.folder, only))
    if job.interrupted_by is not None:
        raise typer.Exit(128 + job.interrupted_by)
    for result in job.evidence.plan_runs:
        leave_if_diverged(result)


def next_after(evidence: "Evidence", folder: Path, only: str = "") -> str:
    """Return the command that follows a run: train with its plan, allow more, or see where the time goes."""
    from hasten.report.verdict import Tone, judge

    task = evidence.profile.command or evidence.task.name
    if evidence.plan.choices and judge(evidence).tone is not Tone.WORSE:
        return f"hasten train {task} --plan {shlex.quote(str(folder / PLAN))}"
    return without_plan("run", task, evidence.tuning, only=only)

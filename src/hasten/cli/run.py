"""`hasten run`: the main job."""

from typing import Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.cli.exit_codes import leave_if_interrupted
from hasten.cli.options import (
    RUNS,
    Allow,
    Budget,
    DataPath,
    Epochs,
    Runs,
    Seed,
    Target,
    TaskName,
    chosen_task,
    guarantees,
)
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = ("hasten run digits", "hasten run my_task.py --budget 5% --allow trajectory")


@takes_data_options("--column")
def run(
    task: TaskName = "digits",
    data: DataPath = None,
    *,
    options: DataOptions,
    budget: Budget = None,
    allow: Allow = "",
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", help="Compare N pairs of trainings (as many as fit in 25 s).")
    ] = None,
    target: Target = None,
    epochs: Epochs = None,
    seed: Seed = None,
    runs: Runs = RUNS,
) -> None:
    """Do the whole job: measure, tune, train, prove, report."""
    from hasten import api
    from hasten.report.terminal import Screen

    allowed = guarantees(allow)
    chosen = chosen_task(task, data=data, options=options, target=target, epochs=epochs, seed=seed)
    with Screen() as screen:
        screen.show(Activity(text="measuring the machine"))
        job = api.run(chosen, budget=budget, allow=allowed, seeds=seeds, runs=runs, show=screen.show)
        if job.evidence is None:
            leave_if_interrupted(job.interrupted_by, job.folder, chosen, screen)
        elif job.interrupted_by is not None:
            screen.say("interrupted during the comparison; the report has the pairs that were whole")
            raise typer.Exit(128 + job.interrupted_by)

"""`hasten layout-trial`: what `hasten tune --processes` starts, once in each process; not for people."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.cli.options import DataPath, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options


@takes_data_options("--column")
def layout_trial(
    task: TaskName,
    plan: Annotated[Path, typer.Option("--plan", metavar="FILE", help="The techniques of the layout.")],
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Steps to time.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the first process writes.")],
    data: DataPath = None,
    *,
    options: DataOptions,
) -> None:
    """Make some steps as one of several processes, and write their times and the first gradient."""
    from hasten.machine import facts
    from hasten.techniques.baseline import baseline_of
    from hasten.techniques.plan_file import read_plan
    from hasten.tuning.layouts.trial import try_layout

    machine = facts()
    recipe = baseline_of(chosen_task(task, data=data, options=options), machine)
    try_layout(recipe, read_plan(plan), machine, steps=steps, folder=out)

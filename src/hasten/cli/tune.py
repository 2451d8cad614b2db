"""`hasten tune`: which techniques make the training faster."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.cli.options import (
    Accept,
    Allow,
    Budget,
    DataPath,
    Exclude,
    Only,
    ShowAll,
    TaskName,
    chosen_task,
    guarantees,
    names_in,
)
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = ("hasten tune digits --budget 2m --allow trajectory -o plan.toml",)


@takes_data_options("--column")
def tune(
    task: TaskName,
    budget: Budget = None,
    allow: Allow = "",
    only: Only = "",
    exclude: Exclude = "",
    accept: Accept = "",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write the plan to this file instead of printing it."),
    ] = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    show_all: ShowAll = False,
) -> None:
    """Measure techniques in paired experiments and write a plan of those that are faster."""
    from hasten import api
    from hasten.report.terminal import Screen
    from hasten.techniques.plan_file import plan_text, write_plan

    allowed = guarantees(allow)
    chosen = chosen_task(task, data=data, options=options)
    with Screen(all_trials=show_all) as screen:
        screen.show(Activity(text="measuring the machine"))
        tuning = api.tune(
            chosen,
            budget=budget,
            allow=allowed,
            only=names_in(only) or None,
            exclude=names_in(exclude),
            accept=names_in(accept),
            show=screen.show,
        )
        if out is None:
            screen.say(f"\n{plan_text(tuning.plan)}")
            screen.next(f"hasten tune {chosen.command} -o plan.toml")
        else:
            write_plan(tuning.plan, out)
            screen.say(f"plan: {out}")
            screen.next(f"hasten train {chosen.command} --plan {shlex.quote(str(out))}")

"""`hasten profile`: where the time of a step goes, and what fixing it could gain."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.base.units import parse_duration
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath, PlanPath, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = (
    "hasten profile my_task.py",
    "hasten profile digits --plan plan.toml --json",
    "hasten profile digits --trace trace.json",
)


@takes_data_options("--column")
def profile(
    task: TaskName,
    data: DataPath = None,
    *,
    options: DataOptions,
    plan: PlanPath = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace", metavar="FILE", help="Write the timed steps as a Chrome trace (open in ui.perfetto.dev)."
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="2m", help="Time limit for each measurement that may hang.")
    ] = "2m",
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, metavar="N", help="Profile N processes of this machine that train as one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where the time and memory of a step go, what is slow, and what to try."""
    timeout_s = parse_duration(timeout)
    from hasten.cli.processes import run_together, started_together

    if processes is not None and processes > 1 and not started_together():
        raise typer.Exit(run_together(sys.argv[1:], processes))
    from hasten import api
    from hasten.report.terminal import Screen
    from hasten.training.processes import rank_here

    chosen = chosen_task(task, data=data, options=options)
    if as_json or rank_here():  # the first of several processes tells
        found = api.profile(chosen, plan, timeout_s=timeout_s, trace=trace)
        if rank_here() == 0:
            write_json(found)
        return
    with Screen() as screen:
        screen.show(Activity(text="measuring the machine"))
        api.profile(chosen, plan, timeout_s=timeout_s, trace=trace, show=screen.show)
        if trace is not None:
            screen.say(f"trace: {trace} (open in ui.perfetto.dev or chrome://tracing)")
        screen.next(f"hasten tune {chosen.command} -o plan.toml")

"""`hasten tune`: which techniques make the training faster."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.files import check_writable
from hasten.base.records.notices import Activity
from hasten.base.records.reproof import Standing
from hasten.base.units import parse_duration
from hasten.cli.failing import FAILED
from hasten.cli.next_command import tuned_again, without_plan
from hasten.cli.options import (
    Accept,
    Allow,
    Budget,
    DataPath,
    Exclude,
    Fresh,
    Only,
    ShowAll,
    TaskName,
    chosen_task,
    guarantees,
    names_in,
)
from hasten.cli.sources import DataOptions, takes_data_options

if TYPE_CHECKING:
    from hasten.report.terminal import Screen
    from hasten.training.task import Task

EXAMPLES = (
    "hasten tune digits --budget 2m --allow trajectory -o plan.toml",
    "hasten tune digits --verify plan.toml",
    "hasten tune digits --processes 2 -o plan.toml",
    "hasten tune digits --study sqlite:///workers.db",
)


@takes_data_options("--column")
def tune(
    task: TaskName,
    budget: Budget = None,
    allow: Allow = "",
    only: Only = "",
    exclude: Exclude = "",
    accept: Accept = "",
    fresh: Fresh = False,
    verify: Annotated[
        Path | None,
        typer.Option("--verify", metavar="PLAN", help="Prove this plan again, and exit with 1 if it is not faster."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write the plan to this file instead of printing it."),
    ] = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", metavar="URL", help="Share findings with other workers: sqlite:///FILE or postgresql://..."
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=2, metavar="N", help="Compare ways to train in N processes with one process."),
    ] = None,
    show_all: ShowAll = False,
) -> None:
    """Measure techniques in paired experiments and write a plan of those that are faster."""
    from hasten import api
    from hasten.report.terminal import Screen
    from hasten.techniques.plan_file import plan_text, write_plan

    allowed = guarantees(allow)
    if verify is not None and (allow or only or exclude or accept or fresh or study or out is not None):
        raise BadInput("--verify proves a plan as it is: it goes with --budget and the data of the task only.")
    if processes is not None and (allow or exclude or accept or fresh or study or verify is not None):
        raise BadInput("--processes compares layouts: it goes with --only, --budget, -o and the data of the task.")
    if out is not None:
        check_writable(out)
    chosen = chosen_task(task, data=data, options=options)
    with Screen(all_trials=show_all or bool(only)) as screen:  # who names techniques wants to know of each
        if verify is not None:
            _verify(chosen, verify, budget, screen)
            return
        if processes is not None:
            _layouts(chosen, processes, names_in(only), budget, out, screen)
            return
        screen.show(Activity(text="measuring the machine"))
        tuning = api.tune(
            chosen,
            budget=budget,
            allow=allowed,
            only=names_in(only) or None,
            exclude=names_in(exclude),
            accept=names_in(accept),
            fresh=fresh,
            study=study,
            show=screen.show,
        )
        if out is None:
            screen.say(f"\n{plan_text(tuning.plan)}")
        else:
            write_plan(tuning.plan, out)
            screen.say(f"plan: {out}")
        if not tuning.plan.choices:
            screen.next(without_plan("tune", chosen.command, tuning, only=only))
        elif out is None:
            screen.next(f"{tuned_again('tune', chosen.command, only)} -o plan.toml")
        else:
            screen.next(f"hasten train {chosen.command} --plan {shlex.quote(str(out))}")


def _verify(task: "Task", plan: Path, budget: str | None, screen: "Screen") -> None:
    """Prove a plan again, and exit with 1 unless it is still faster."""
    from hasten import api

    screen.show(Activity(text="proving the plan again"))
    found = api.verify_plan(task, plan, budget=budget, show=screen.show)
    if found.standing is not Standing.STILL_FASTER:
        screen.next(f"hasten tune {task.command} -o {shlex.quote(str(plan))}")
        raise typer.Exit(FAILED)
    screen.next(f"hasten train {task.command} --plan {shlex.quote(str(plan))}")


def _layouts(
    task: "Task", processes: int, only: Sequence[str], budget: str | None, out: Path | None, screen: "Screen"
) -> None:
    """Compare ways to train in several processes with one process."""
    from hasten import api
    from hasten.cli.processes import run_together
    from hasten.techniques.plan_file import write_plan

    budget_s = None if budget is None else parse_duration(budget)
    found = api.tune_layouts(
        task, processes=processes, launch=run_together, only=only, budget_s=budget_s, show=screen.show
    )
    screen.show(found)
    count, choices = found.best.predicted.layout.processes, found.plan.choices
    words = f"hasten train {task.command}" + (f" --processes {count}" if count > 1 else "")
    if out is not None:
        write_plan(found.plan, out)
        screen.say(f"plan: {out}")
    if not choices:
        screen.next(words)
    elif out is None:
        asked = f" --only {shlex.quote(','.join(only))}" if only else ""
        screen.next(f"hasten tune {task.command} --processes {processes}{asked} -o plan.toml")
    else:
        screen.next(f"{words} --plan {shlex.quote(str(out))}")

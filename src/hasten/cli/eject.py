"""`hasten eject`: a task and its plan as one plain PyTorch script."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.printable import printable
from hasten.cli.options import DataPath, Epochs, PlanPath, Seed, Target, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = (
    "hasten eject digits --plan plan.toml -o train.py",
    "hasten eject my_task.py --plan plan.toml --diff my_train.py",
)
OUT = Path("train.py")


@takes_data_options("--column")
def eject(
    task: TaskName,
    plan: PlanPath = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the script to this file [train.py].")
    ] = None,
    diff: Annotated[
        Path | None,
        typer.Option("--diff", metavar="SCRIPT", help="Print what the plan changes in this training script instead."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    data: DataPath = None,
    *,
    options: DataOptions,
    target: Target = None,
    epochs: Epochs = None,
    seed: Seed = None,
) -> None:
    """Write a task with its plan as one plain PyTorch script that needs no hasten."""
    from hasten import api

    if diff is not None and (out is not None or force):
        raise BadInput("--diff prints a diff and writes no file. Leave out -o and --force.")
    out = out or OUT
    if diff is None and out.exists() and not force:
        raise BadInput(f"{out} exists. Pass another -o FILE, or --force to replace it.")
    chosen = chosen_task(task, data=data, options=options, target=target, epochs=epochs, seed=seed)
    if diff is not None:
        text, notes = api.eject_diff(chosen, plan, script=diff)
        typer.echo(text, nl=False)
    else:
        notes = api.eject(chosen, plan, out=out, force=force).notes
        typer.echo(f"script: {out}")
    for note in notes:
        typer.echo(printable(f"hasten: note: {note}"), err=True)
    if diff is None:
        typer.echo(f"next: python {shlex.quote(str(out))}")

"""`hasten train`: one training, with or without a plan."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.cli.exit_codes import leave_if_diverged, leave_if_interrupted
from hasten.cli.options import RUNS, DataPath, Epochs, PlanPath, Runs, Seed, Target, TaskName, chosen_task, names_in
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = ("hasten train digits --plan plan.toml", "hasten train digits --resume runs/digits-20260101-120000")


@takes_data_options("--column")
def train(
    ctx: typer.Context,
    task: TaskName,
    plan: PlanPath = None,
    accept: Annotated[
        str,
        typer.Option("--accept", metavar="NAME,...", help="Use these techniques of the plan without numerical proof."),
    ] = "",
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RUN", help="Resume from the checkpoint in this run folder.")
    ] = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    target: Target = None,
    epochs: Epochs = None,
    seed: Seed = None,
    runs: Runs = RUNS,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Show what is wrong with the training while it runs, and record it.")
    ] = False,
    autotune: Annotated[
        bool, typer.Option("--autotune", help="Try techniques in the training's own steps and keep what is faster.")
    ] = False,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="KIND[:PLACE]", help="Also write to tensorboard, mlflow or wandb (offline)."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, metavar="N", help="Train in N processes of this machine, as one would."),
    ] = None,
    restarts: Annotated[
        int,
        typer.Option("--restarts", min=0, metavar="N", help="With --processes: start all again if one fails, N times."),
    ] = 0,
    rollbacks: Annotated[
        int,
        typer.Option("--rollbacks", min=0, metavar="N", help="If it becomes NaN: go back, skip the batch, N times."),
    ] = 0,
) -> None:
    """Train a task, with or without a plan, or resume a run."""
    from hasten.cli.processes import run_together, started_together

    if processes is not None and processes > 1 and not started_together():
        raise typer.Exit(run_together(sys.argv[1:], processes, restarts=restarts))
    if restarts and not started_together():
        raise BadInput("--restarts needs several processes: add --processes N.")
    from hasten import api
    from hasten.report.terminal import Screen

    chosen = chosen_task(task, data=data, options=options, target=target, epochs=epochs, seed=seed)
    with Screen() as screen:
        trained = api.train(
            chosen,
            plan,
            accept=names_in(accept),
            runs=runs,
            resume=resume,
            diagnose=diagnose,
            autotune=autotune,
            log=log or (),
            rollbacks=rollbacks,
            show=screen.show,
        )
        if trained.result.folder is None:  # not the first of several processes, which tells
            return
        screen.show(trained.result)
        folder = Path(trained.result.folder)
        leave_if_interrupted(trained.interrupted_by, folder, ctx, screen)
        screen.say(f"run folder: {folder}")
        screen.next(
            f"hasten run {chosen.command}" if plan is None else f"hasten profile {chosen.command} --plan {plan}"
        )
    leave_if_diverged(trained.result)

"""The task of a run folder: the one that is named, or the one that the run recorded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hasten.cli.options import chosen_task
from hasten.cli.sources import DataOptions, as_options

if TYPE_CHECKING:
    from hasten.training.task import Task

RecordedTask: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[TASK]", help="What was trained; by default as the run recorded it.")
]


def task_of(run: Path, context: typer.Context, *, task: str | None, data: Path | None, options: DataOptions) -> "Task":
    """Return the task that is named, or else the one that a run was trained with, by the words that named it then.

    Raises:
        BadInput: if the folder is no run with whole weights, or does not say what was trained.
    """
    from hasten.pipeline.trained_run import check_run, command_of

    check_run(run)
    if task is not None:
        return chosen_task(task, data=data, options=options)
    verb = context.info_name or ""
    given = context.command.make_context(verb, [str(run), *command_of(run, verb)]).params
    data = given["data"]
    return chosen_task(given["task"], data=None if data is None else Path(data), options=as_options(given))

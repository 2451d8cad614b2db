"""Exit codes of a training that was interrupted or diverged."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hasten.base.records.run import RunResult, StopReason
from hasten.cli.failing import FAILED

if TYPE_CHECKING:
    from hasten.report.terminal import Screen
    from hasten.training.task import Task


def leave_if_interrupted(signal_number: int | None, folder: Path, task: "Task", screen: "Screen") -> None:
    """If there was a signal, print the command that resumes and exit with 128 + its number (130, 143)."""
    if signal_number is None:
        return
    again = f"hasten train {task.command} --resume {shlex.quote(str(folder))}"
    screen.say(f"interrupted; checkpoint saved in {folder}")
    screen.next(again)
    raise typer.Exit(128 + signal_number)


def leave_if_diverged(result: RunResult) -> None:
    """Exit with 1 if the loss became infinite or NaN, so that a script does not take it for a success."""
    if result.reason is StopReason.NON_FINITE:
        raise typer.Exit(FAILED)

"""How a training that was interrupted, or went wrong, ends on the command line."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hasten.base.records.run import RunResult, StopReason
from hasten.cli.failing import FAILED

if TYPE_CHECKING:
    from hasten.report.terminal import Screen
    from hasten.training.task import Task


def leave_if_interrupted(signal_number: int | None, folder: Path, task: "Task", screen: "Screen") -> None:
    """Say how to go on and leave with 128 + the signal's number (130, 143), if there was one."""
    if signal_number is None:
        return
    again = f"hasten train {task.command} --resume {shlex.quote(str(folder))}"
    screen.say(f"interrupted; saved in {folder}\ngo on with: {again}")
    raise typer.Exit(128 + signal_number)


def leave_if_diverged(results: Iterable[RunResult]) -> None:
    """Leave with 1 if a loss became infinite or not a number, so that a script does not take it for a success."""
    if any(result.reason is StopReason.NON_FINITE for result in results):
        raise typer.Exit(FAILED)

"""Exit codes of a training that was interrupted or diverged."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from hasten.base.records.run import RunResult, StopReason
from hasten.cli.failing import FAILED

if TYPE_CHECKING:
    from hasten.report.terminal import Screen


def leave_if_interrupted(signal_number: int | None, folder: Path, context: typer.Context, screen: "Screen") -> None:
    """If there was a signal, print the command that resumes and exit with 128 + its number (130, 143)."""
    if signal_number is None:
        return
    screen.say(f"interrupted; checkpoint saved in {folder}")
    screen.next(resume_command(context, folder))
    raise typer.Exit(128 + signal_number)


def resume_command(context: typer.Context, folder: Path) -> str:
    """Return the command that resumes a run: `hasten train` with everything that was typed and applies to it.

    Args:
        context: of the command that trained, `train` or `run`.
        folder: of the run.
    """
    assert context.parent is not None, "a command is called by the group"
    train: Any = context.parent.command.commands["train"]  # type: ignore[attr-defined]  (the parent is a group)
    words = ["hasten", "train"]
    for parameter in train.params:
        value, source = context.params.get(parameter.name), context.get_parameter_source(parameter.name)
        typed = source is not None and source.name != "DEFAULT"
        if parameter.name in ("resume", "runs") or value is None:
            continue
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif typed and isinstance(value, bool):
            words += parameter.opts[-1:] if value else parameter.secondary_opts[-1:]
        elif typed:
            values = cast(list[object], list(value)) if isinstance(value, list | tuple) else [value]
            words += [word for one in values for word in (parameter.opts[-1], str(one))]
    return shlex.join([*words, "--resume", str(folder)])


def leave_if_diverged(result: RunResult) -> None:
    """Exit with 1 if the loss became infinite or NaN, so that a script does not take it for a success."""
    if result.reason is StopReason.NON_FINITE:
        raise typer.Exit(FAILED)

"""The model of a finished run: rebuilt from its task, with the weights of its folder."""

import shlex
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model

from hasten.base.checksums import check_checksum
from hasten.base.errors import BadInput
from hasten.base.records.run import Started
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.run_folder import WEIGHTS, check_run_folder, read_events
from hasten.training.session import Session
from hasten.training.task import Task


def check_run(run: Path) -> None:
    """Raise `BadInput` unless a folder is a run with whole weights."""
    check_run_folder(run, "Pass the folder of a finished run")
    if not (run / WEIGHTS).is_file():
        raise BadInput(
            f"{run} has no weights ({WEIGHTS}): the training has not ended, or it diverged. "
            "Resume it with hasten train TASK --resume RUN, or pass another run."
        )
    check_checksum(run / WEIGHTS)


def command_of(run: Path, verb: str) -> list[str]:
    """Return the words that name the task of a run on the command line.

    Args:
        run: its folder.
        verb: the command that asks, for the message.

    Raises:
        BadInput: if the run does not say.
    """
    events, _ = read_events(run)
    started = next((event for event in events if isinstance(event, Started)), None)
    if started is None or not started.command:
        named = "" if started is None else f" (its name is {started.task!r})"
        raise BadInput(f"{run} does not say which task was trained{named}. Name it: hasten {verb} {run} TASK")
    return shlex.split(started.command)


def trained_session(run: Path, task: Task, *, device: str = "cpu") -> Session:
    """Return a session of the plain task with the weights of a run: techniques left none of themselves in these.

    Raises:
        BadInput: if the run has no weights of the task's model.
    """
    check_run(run)
    session = build(baseline(replace(task, uses={}), device=device))
    path = run / WEIGHTS
    try:
        missing, unexpected = load_model(session.model, path, strict=False)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise _not_its(path, task, str(error).strip().splitlines()[-1].strip().rstrip(".")) from error
    missing = [name for name in missing if not name.endswith("_extra_state")]
    if missing or unexpected:
        parts = [f"lacks {missing[0]}"] * bool(missing) + [f"has {unexpected[0]}"] * bool(unexpected)
        raise _not_its(path, task, " and ".join(parts))
    return session


def _not_its(path: Path, task: Task, found: str) -> BadInput:
    return BadInput(
        f"{path} does not hold the weights of the model of the task {task.name!r}: {found}. "
        "Pass the task that was trained, as it was, after the run."
    )

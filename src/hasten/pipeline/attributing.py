"""The model of a run folder, rebuilt from its task and its weights, and its predictions explained."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_model

from hasten.attribution.attribute import attribute
from hasten.base.checksums import check_checksum
from hasten.base.errors import BadInput
from hasten.base.records.attribution import Attribution, Method
from hasten.base.records.run import Started
from hasten.machine import facts
from hasten.techniques.baseline import baseline_of
from hasten.training.run_folder import WEIGHTS, is_run_folder, read_events
from hasten.training.session import Session, build
from hasten.training.task import Task


def check_run(run: Path) -> None:
    """Raise `BadInput` unless a folder is a run with whole weights."""
    if not is_run_folder(run):
        found = "no such folder" if not run.is_dir() else "not the folder of a run"
        raise BadInput(f"{run}: {found}. Pass the folder of a finished run, such as runs/digits-20260101-120000.")
    if not (run / WEIGHTS).is_file():
        raise BadInput(
            f"{run} has no weights ({WEIGHTS}): the training has not ended, or it diverged. "
            "Resume it with hasten train TASK --resume RUN, or pass another run."
        )
    check_checksum(run / WEIGHTS)


def command_of(run: Path) -> list[str]:
    """Return the words that name the task of a run on the command line.

    Raises:
        BadInput: if the run does not say.
    """
    events, _ = read_events(run)
    started = next((event for event in events if isinstance(event, Started)), None)
    if started is None or not started.command:
        named = "" if started is None else f" (its name is {started.task!r})"
        raise BadInput(f"{run} does not say which task was trained{named}. Name it: hasten attribute {run} TASK")
    return shlex.split(started.command)


def attribute_run(run: Path, task: Task, *, method: Method, samples: int, seed: int) -> Attribution:
    """Explain predictions of the model of a run.

    Raises:
        BadInput: if the run has no weights of the task's model, or its predictions cannot be explained.
    """
    check_run(run)
    return attribute(_trained(run, task), of=str(run), method=method, samples=samples, seed=seed)


def _trained(run: Path, task: Task) -> Session:
    """Return a session of the plain task with the weights of a run: techniques left none of themselves in these."""
    session = build(baseline_of(replace(task, uses={}), facts()))
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


def _not_its(path: Path, task: Task, found: Any) -> BadInput:
    return BadInput(
        f"{path} does not hold the weights of the model of the task {task.name!r}: {found}. "
        "Pass the task that was trained, as it was: hasten attribute RUN TASK"
    )

"""From what a person wrote on the command line to a `Task`: a built-in name, or `file.py[:function]`."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from hasten.base.errors import BadInput, unknown_name
from hasten.tasks.registry import TASKS
from hasten.tasks.user_file import task_from_file
from hasten.training.task import Task

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<function>.*))?", re.DOTALL)
DEFAULT_FUNCTION = "task"


def load_task(spec: str, *, data: Path | None = None, column: str | int | None = None, skip_bad: bool = False) -> Task:
    """Return the task that `spec` names.

    Args:
        spec: the name of a built-in task, or the path of a Python file, `file.py` or `file.py:function`.
        data: where the task's data are, for a task that needs some.
        column: the column of a table to predict, by name or place, for a task that takes one.
        skip_bad: whether to leave out what is bad in the data, for a task that can.

    Raises:
        BadInput: if there is no such task, `data` or `column` is lacking or not needed, or the file does not give a
            task; the message names the file and the line.
    """
    if skip_bad:
        _require_one_of([name for name, entry in TASKS.items() if entry.takes_policy], spec, "--skip-bad", "it")
    if column is not None:
        takers = [name for name, entry in TASKS.items() if entry.takes_column]
        _require_one_of(takers, spec, "--column", f"--column {column}")
    if match := _FILE.fullmatch(spec):
        task = task_from_file(Path(match["path"]).expanduser(), match["function"] or DEFAULT_FUNCTION, data=data)
    else:
        options: dict[str, Any] = {} if column is None else {"column": column}
        task = _built_in(spec, data, options | ({"on_bad": "skip"} if skip_bad else {}))
    where = [] if data is None else ["--data", str(data)]
    which = [] if column is None else ["--column", str(column)]
    return replace(task, command=shlex.join([spec, *where, *which, *(["--skip-bad"] if skip_bad else [])]))


def _require_one_of(takers: list[str], spec: str, option: str, found: str) -> None:
    if spec not in takers:
        tasks = f"task{'s' * (len(takers) > 1)} {', '.join(takers)}"
        raise BadInput(f"{option} is for the {tasks}; found {found} for {spec!r}. Leave it out.")


def _built_in(name: str, data: Path | None, options: dict[str, Any]) -> Task:
    if name not in TASKS:
        raise BadInput(
            f"{unknown_name('task', name, TASKS)} A task of your own is the path of a file that ends in .py."
        )
    entry = TASKS[name]
    if entry.data is None:
        if data is not None:
            raise BadInput(f"the task {name!r} brings its own data; found --data {data}. Leave it out.")
        return entry.make()
    if data is None:
        raise BadInput(f"the task {name!r} needs --data, {entry.data}; found none given.")
    return entry.make(data=data, **options)

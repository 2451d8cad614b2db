"""From what a person wrote on the command line to a `Task`: a built-in name, or `file.py[:function]`."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hasten.base.errors import BadInput, unknown_name
from hasten.tasks.registry import TASKS
from hasten.tasks.user_file import task_from_file
from hasten.training.task import Task

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<function>.*))?", re.DOTALL)
DEFAULT_FUNCTION = "task"


def load_task(spec: str, *, data: Path | None = None, **options: Any) -> Task:
    """Return the task that `spec` names.

    Args:
        spec: the name of a built-in task, or the path of a Python file, `file.py` or `file.py:function`.
        data: where the task's data are, for a task that needs some.
        options: how to read the data, for a built-in task that takes such options (see `BuiltIn.options`).

    Raises:
        BadInput: if there is no such task, `data` is lacking or not needed, an option is not for this task, or the
            file does not return a task; the message names the file and the line.
    """
    for name, value in options.items():
        takers = [task for task, entry in TASKS.items() if name in entry.options]
        if spec not in takers:
            shown = shlex.join(option_words({name: value}))
            tasks = f"task{'s' * (len(takers) > 1)} {', '.join(takers)}"
            raise BadInput(f"{shown} is for the {tasks}; the task is {spec!r}. Leave it out.")
    if match := _FILE.fullmatch(spec):
        task = task_from_file(Path(match["path"]).expanduser(), match["function"] or DEFAULT_FUNCTION, data=data)
    else:
        task = _built_in(spec, data, options)
    where = [] if data is None else ["--data", str(data)]
    return replace(task, command=shlex.join([spec, *where, *option_words(options)]))


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return options of a data source as they are typed."""
    words: list[str] = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "on_bad":
            words += ["--skip-bad"] if value == "skip" else []
        elif isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            words += [word for one in (value if isinstance(value, list) else [value]) for word in (flag, str(one))]
    return words


def _built_in(name: str, data: Path | None, options: dict[str, Any]) -> Task:
    if name not in TASKS:
        folder = f"{name} is a folder, but not that of a run. " if Path(name).is_dir() else ""
        raise BadInput(
            f"{folder}{unknown_name('task', name, TASKS)} A task of your own is the path of a file that ends in .py."
        )
    entry = TASKS[name]
    if entry.data is None:
        if data is not None:
            raise BadInput(f"the task {name!r} brings its own data; found --data {data}. Leave it out.")
        return entry.make()
    if data is None:
        raise BadInput(f"the task {name!r} needs --data, {entry.data}; found none given.")
    return entry.make(data=data, **options)

"""A task from a person's own Python file. Whatever goes wrong in it is told with the file and the line."""

import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hasten.base.errors import BadInput, HastenError, unknown_name
from hasten.base.seeds import preserved, seed_all
from hasten.base.user_code import user_location
from hasten.training.task import Task

_SEED = 0
"""Random data made in a person's file are the same in every process: a resumed run must find its own data again."""


_FORM = """A task file has:
    def {name}():
        return hasten.Task(name=..., data=..., model=...)
Look at a training script without one with: hasten profile {path}"""


def task_from_file(path: Path, function: str, *, data: Path | None = None) -> Task:
    """Return what `function` of the Python file at `path` returns.

    The file runs as with `python file.py`, except that `__name__` is not "__main__" and the global random generators
    start from a fixed seed; they are left as they were found.

    Args:
        path: the file.
        function: takes no arguments, or `data`, and returns a `Task`.
        data: handed to the function's parameter `data`.

    Raises:
        BadInput: says what is wrong with the file, and in which line.
    """
    with preserved():
        seed_all(_SEED)
        build = _function(_module(path), function, path)
        arguments = _arguments(build, data, where=f"{function}() in {path}")
        try:
            task = build(**arguments)
        except (Exception, SystemExit) as error:
            raise _failure(error, path) from error
    if not isinstance(task, Task):
        hint = " Is a return missing?" if task is None else ""
        raise BadInput(f"{function}() in {path} must return a hasten.Task; found {_kind(task)}.{hint}")
    return task


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        others = ", ".join(sorted(file.name for file in path.parent.glob("*.py")))
        raise BadInput(f"no such file: {path}. Python files in that folder: {others or 'none'}.")
    path = path.resolve()
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_hasten"
    module = ModuleType(name)
    module.__file__ = str(path)
    # As with `python file.py`, files beside it can be imported, also later and from worker processes.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        text = f": {error.text.strip()}" if error.text else ""
        place = f"{error.filename}:{error.lineno}" if error.lineno else str(path)
        raise BadInput(f"{place}: the task file must be valid Python; found {error.msg}{text}") from error
    except (Exception, SystemExit) as error:
        raise _failure(error, path) from error
    return module


def _function(module: ModuleType, name: str, path: Path) -> Callable[..., Any]:
    functions = [
        key
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    found = getattr(module, name, None)
    if found is None:
        raise BadInput(f"{unknown_name(f'function in {path}:', name, functions)} {_FORM.format(name=name, path=path)}")
    if not callable(found):
        raise BadInput(f"{name} in {path} must be a function that returns a hasten.Task; found {_kind(found)}.")
    return found


def _arguments(build: Callable[..., Any], data: Path | None, *, where: str) -> dict[str, Any]:
    parameters = inspect.signature(build).parameters
    needed = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name != "data"
    ]
    if needed:
        raise BadInput(f"{where} may only need the argument data; found {', '.join(needed)}. Give them defaults.")
    if "data" not in parameters:
        if data is not None:
            raise BadInput(f"{where} takes no data; found --data {data}. Leave it out, or add a parameter data.")
        return {}
    if data is None:
        if parameters["data"].default is inspect.Parameter.empty:
            raise BadInput(f"{where} needs --data, since its parameter data has no default; found none given.")
        return {}
    return {"data": data}


def _failure(error: BaseException, path: Path) -> BadInput:
    """Return the error of a person's file as one message that begins with the innermost line of that file."""
    file = str(path.resolve())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    if isinstance(error, HastenError):
        return BadInput(f"{place}: {error}")
    raised = user_location(error)
    elsewhere = f" ({raised})" if raised and not raised.startswith(f"{file}:") else ""
    return BadInput(
        f"{place}: the task file must run without an error; found {type(error).__name__}: {error}{elsewhere}"
    )


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__

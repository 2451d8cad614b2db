"""Which function made a task, and which expression in it is the data."""

import ast
import builtins
import inspect
import shlex
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hasten.base.errors import Refused
from hasten.pipeline.eject.copying import is_copied, module_of
from hasten.tasks.registry import TASKS
from hasten.training.task import Task


@dataclass(frozen=True)
class Origin:
    """The function that made a task.

    Args:
        module: that defines it.
        function: its name.
        arguments: that hasten called it with.
        texts: expressions that another function of the file passed to it.
    """

    module: str
    function: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    texts: dict[str, str] = field(default_factory=dict[str, str])


def origin_of(task: Task) -> Origin | None:
    """Return the function that a task comes from, known by its words on the command line."""
    words = shlex.split(task.command)
    if not words:
        return None
    given = dict(zip(words[1::2], words[2::2], strict=False))
    arguments: dict[str, Any] = {"data": Path(given["--data"])} if "--data" in given else {}
    if words[0] in TASKS:
        build = TASKS[words[0]].build
        if not isinstance(build, str) or words[1 + 2 * len(arguments) :]:
            return None
        module, _, function = build.partition(":")
        return Origin(module, function, arguments)
    path, _, function = words[0].partition(".py")
    file = Path(f"{path}.py").expanduser().resolve()
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == str(file):
            return Origin(name, function.removeprefix(":") or "task", arguments)
    return None


def maker_of(task: Task) -> tuple[str, str]:
    """Return module and name of the function that makes a task; empty where they are not known."""
    origin = origin_of(task)
    try:
        made = origin and data_of(origin)[0]
    except Refused:
        return "", ""
    return (made.module, made.function) if made else ("", "")


def data_of(origin: Origin) -> tuple[Origin, Any, ast.expr]:
    """Return the function that passes data to `Task(...)`, which the one that made the task may call; and the data.

    Raises:
        Refused: if it is not found in the text.
    """
    known = module_of(origin.module)
    function: Any = known.statements[known.bound[origin.function]] if origin.function in known.bound else None
    if isinstance(function, ast.Assign) and isinstance(function.value, ast.Lambda):
        return _passed(origin, function.value, function.value.body, [])
    if not isinstance(function, ast.FunctionDef):
        raise Refused(f"{origin.function} is not defined at the top of its file")
    returns = [node for node in _own_nodes(function) if isinstance(node, ast.Return)]
    *before, last = function.body
    if len(returns) != 1 or returns[0] is not last or returns[0].value is None:
        raise Refused(f"{origin.function}() does not end with its only `return Task(...)`")
    return _passed(origin, function, returns[0].value, before)


def _passed(origin: Origin, function: Any, made: ast.expr, before: list[ast.stmt]) -> tuple[Origin, Any, ast.expr]:
    """Return the data that an expression of a task passes to it."""
    if isinstance(made, ast.Name):
        value, earlier = _assigned(made.id, before)
        if value is not None:
            return _passed(origin, function, value, earlier)
    called = ast.unparse(made.func).rpartition(".")[2] if isinstance(made, ast.Call) else ""
    if isinstance(made, ast.Call) and called in ("Task", "replace"):
        data = keyword_of(made, "data")
        if isinstance(data, ast.Name):
            value, _ = _assigned(data.id, before)
            data = value if isinstance(value, ast.Call) and is_data(value) else data
        if data is not None:
            return origin, function, data
        if called == "replace" and made.args:
            return _passed(origin, function, made.args[0], before)
    elif isinstance(made, ast.Call) and isinstance(made.func, ast.Name):
        other = getattr(sys.modules[origin.module], made.func.id, None)
        if isinstance(other, types.FunctionType) and is_copied(other.__module__):
            return data_of(Origin(other.__module__, other.__name__, texts=_texts(made, other, origin)))
    raise Refused(f"{origin.function}() does not end with its only `return Task(...)`")


def _assigned(name: str, statements: list[ast.stmt]) -> tuple[ast.expr | None, list[ast.stmt]]:
    """Return what a variable was last set to, and the statements before that."""
    for place in range(len(statements) - 1, -1, -1):
        one = statements[place]
        if isinstance(one, ast.Assign) and [ast.unparse(target) for target in one.targets] == [name]:
            return one.value, statements[:place]
    return None, []


def _texts(made: ast.Call, other: Any, origin: Origin) -> dict[str, str]:
    """Return the arguments of a call as text; empty where they say something else at the top of the file."""
    known = module_of(origin.module)
    given = dict(zip(inspect.signature(other).parameters, made.args, strict=False))
    given |= {one.arg: one.value for one in made.keywords if one.arg is not None}
    texts = dict[str, str]()
    for parameter, value in given.items():
        names = {one for one in names_in(value) if not hasattr(builtins, one)}
        is_same = not (names - known.bound.keys() or (names and other.__module__ != origin.module))
        texts[parameter] = known.text(value) if is_same else ""
    return texts


def is_data(call: ast.Call) -> bool:
    """Return whether this makes a `Data`."""
    return ast.unparse(call.func).rpartition(".")[2] == "Data"


def keyword_of(node: ast.Call, name: str) -> ast.expr | None:
    """Return what a call passes as this keyword."""
    return next((one.value for one in node.keywords if one.arg == name), None)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions inside it."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield from _own_nodes(node)


def names_in(node: ast.AST) -> set[str]:
    """Return the names in a piece of code."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}

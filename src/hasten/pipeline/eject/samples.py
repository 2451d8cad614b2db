"""Where the samples come from: the lines of a task that load them, or a file of the samples as hasten prepared them."""

import ast
import inspect
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, default_collate

from hasten.base.errors import Refused
from hasten.base.units import nbytes
from hasten.data.loading.gather import take, why_not
from hasten.data.loading.given import is_by_number
from hasten.data.loading.sample_randomness import drawn_from
from hasten.pipeline.eject.copying import Copier, Import, indented, module_of
from hasten.tasks.registry import TASKS
from hasten.training.task import Task

MOST_LINES = 160
"""Lines of definitions above which the prepared samples are saved instead: the script is to be read."""
_WIDTH = 112  # characters of a line inside a function
MOST_BYTES = 4 * 2**30
RANDOM = "The samples draw random numbers; hasten seeds them for each batch, so here they, and the losses, differ."
_RANDOM = ("rand", "shuffle", "permutation", "normal", "sample", "choice")


@dataclass(frozen=True)
class Samples:
    """How a script gets its data.

    Args:
        definition: the function `load`, which returns the training and the validation data.
        copier: with what the function needs.
        constants: lines at the top.
        note: what a reader must know; empty where the script loads the data itself.
        saved: whether the samples are read from a file that is written beside the script.
    """

    definition: str
    copier: Copier
    constants: tuple[str, ...] = ()
    note: str = ""
    saved: bool = False


@dataclass(frozen=True)
class Origin:
    """The function that made a task: its module, its name, and the arguments that it was called with."""

    module: str
    function: str
    arguments: dict[str, Any]


def samples_of(task: Task) -> Samples:
    """Return how a script gets the samples of a task.

    Raises:
        Refused: if it neither can load them nor read them from a file; with both reasons.
    """
    origin, data = origin_of(task), task.data
    plain = is_by_number(data.train) and is_by_number(data.valid)
    try:
        if origin is None:
            raise Refused("it is not known which function made the task")
        made = _loaded(origin, annotated="tuple[Dataset[Any], Dataset[Any]]" if plain else "tuple[Any, Any]")
    except Refused as error:
        if not plain or data.collate is not None:
            raise Refused(f"the data cannot be ejected: {error}") from error
        own = origin is not None and origin.module.startswith("hasten.")
        return saved_samples(task, "reading them takes more code than a script should have" if own else str(error))
    random = is_by_number(data.train) and drawn_from(data.train, data.collate or default_collate)
    return replace(made, note=RANDOM) if random else made


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


def _loaded(origin: Origin, annotated: str) -> Samples:
    """Return the statements of a task's function that make its data, as a function of their own.

    Args:
        origin: the function.
        annotated: the type of what the new one returns.
    """
    known = module_of(origin.module)
    if origin.function not in known.bound:
        raise Refused(f"{origin.function} is not defined at the top of its file")
    function = known.statements[known.bound[origin.function]]
    train, valid = _data_expressions(function)
    made = [train] if valid is None else [train, valid]
    kept = _slice(function.body[:-1], set[str]().union(*map(_names, made)))  # type: ignore[attr-defined]
    body = "\n".join(known.text(one) + "\n" * isinstance(one, ast.Import | ast.ImportFrom) for one in kept)
    used = {name for one in (*kept, *made) for name in _names(one)}
    header, constants = _header(function, used, origin, known)
    header = f"{header} -> {annotated}:"
    result = _returned(known.text(train), known.text(valid) if valid is not None else "None")
    drawn = any(word in f"{body}{result}" for word in _RANDOM)
    seed = ["torch.manual_seed(0)  # as when hasten loads the task"] if drawn and "hasten" not in origin.module else []
    lines = [
        header,
        '    """Return the training and the validation data."""',
        *indented(filter(None, [*seed, body, result])),
    ]
    copier = Copier()
    copier.imports.update({Import("typing", "Any"), Import("torch.utils.data", "Dataset")})
    text = "\n".join(lines)
    copier.needs_of(text, origin.module)
    if copier.lines > MOST_LINES:
        raise Refused(f"loading them takes {copier.lines} lines of hasten's code")
    if constants:
        copier.imports.add(Import("pathlib", "Path"))
    if seed:
        copier.imports.add(Import("torch"))
    return Samples(text, copier, constants)


def saved_samples(task: Task, reason: str) -> Samples:
    """Return a function that reads the samples of a task from a file.

    Raises:
        Refused: if the samples are no tensors, or too many.
    """
    for dataset in (task.data.train, task.data.valid):
        if drawn_from(dataset):
            raise Refused(f"the data cannot be ejected: {reason}; and samples that draw random numbers cannot be saved")
        first = default_collate([dataset[0]])
        if not isinstance(first, list | tuple) or not all(isinstance(one, Tensor) for one in first):
            raise Refused(f"the data cannot be ejected: {reason}; and the samples are no tuples of tensors to save")
        size = len(dataset) * sum(one.nbytes for one in first)  # type: ignore[arg-type]
        if size > MOST_BYTES:
            raise Refused(f"the data cannot be ejected: {reason}; and {nbytes(size)} of samples are too many to save")
    text = '''def load() -> tuple[TensorDataset, TensorDataset]:
    """Return the training and the validation data, prepared by hasten and saved beside this file."""
    saved = torch.load(DATA, weights_only=True)
    return TensorDataset(*saved["train"]), TensorDataset(*saved["valid"])'''
    copier = Copier()
    copier.imports.update({Import("torch"), Import("pathlib", "Path"), Import("torch.utils.data", "TensorDataset")})
    note = f"The samples are read from a file, as hasten prepared them: {reason}."
    return Samples(text, copier, ('DATA = Path(__file__).with_suffix(".data.pt")',), note, saved=True)


def write_samples(task: Task, path: Path) -> None:
    """Write the prepared samples of a task for `saved_samples`."""
    torch.save({"train": _columns(task.data.train), "valid": _columns(task.data.valid)}, path)


def _columns(dataset: Any) -> tuple[Tensor, ...]:
    if isinstance(dataset, TensorDataset) and why_not(dataset) is None:
        return dataset.tensors
    ids = range(len(dataset))
    if why_not(dataset) is None:
        return tuple(take(dataset, torch.arange(len(dataset))))
    return tuple(default_collate([dataset[i] for i in ids]))


def _data_expressions(function: Any) -> tuple[ast.expr, ast.expr | None]:
    """Return the expressions of the training and validation data in `return Task(data=Data(train=, valid=))`."""
    if not isinstance(function, ast.FunctionDef):
        raise Refused("the task is not made by a function")
    returns = [node for node in _own_nodes(function) if isinstance(node, ast.Return)]
    last = function.body[-1]
    if len(returns) != 1 or returns[0] is not last or not isinstance(returns[0].value, ast.Call):
        raise Refused(f"{function.name}() does not end with its only `return Task(...)`")
    data = _keyword(returns[0].value, "data")
    if not isinstance(data, ast.Call):
        raise Refused(f"{function.name}() does not pass data=Data(train=..., valid=...)")
    train, valid = _keyword(data, "train"), _keyword(data, "valid")
    if train is None:
        raise Refused(f"{function.name}() does not pass data=Data(train=..., valid=...)")
    return train, valid


def _returned(train: str, valid: str) -> str:
    """Return the statement that returns both, on one line where it fits."""
    line = f"return {train}, {valid}"
    return line if len(line) <= _WIDTH and "\n" not in line else f"return (\n    {train},\n    {valid},\n)"


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions inside it."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield from _own_nodes(node)


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in node.keywords if one.arg == name), None)


def _slice(statements: list[ast.stmt], needed: set[str]) -> list[ast.stmt]:
    """Return the statements that the values of some names depend on."""
    kept: list[ast.stmt] = []
    for one in reversed(statements):
        if isinstance(one, ast.If) and all(isinstance(inner, ast.Raise) for inner in one.body) and not one.orelse:
            continue  # a check of the input
        if _stored(one) & needed or (isinstance(one, ast.Expr) and not _is_text(one) and _names(one) & needed):
            kept.append(one)
            needed = needed | _names(one)
    return kept[::-1]


def _is_text(statement: ast.Expr) -> bool:
    return isinstance(statement.value, ast.Constant)


def _stored(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds, or whose parts it sets."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {one.asname or one.name.partition(".")[0] for one in node.names}
        if isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
                node = node.value
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _header(function: Any, used: set[str], origin: Origin, known: Any) -> tuple[str, tuple[str, ...]]:
    """Return the name and the parameters of the function that loads, and constants for its arguments."""
    plain = inspect.signature(getattr(sys.modules[origin.module], origin.function)).parameters
    parameters = [one for one in (*function.args.args, *function.args.kwonlyargs) if one.arg in used]
    shown, constants = list[str](), list[str]()
    for one in parameters:
        annotation = f": {known.text(one.annotation)}" if one.annotation is not None else ""
        if one.arg in origin.arguments:
            name = one.arg.upper()
            constants.append(
                f"{name} = Path({json.dumps(str(origin.arguments[one.arg].absolute()), ensure_ascii=False)})"
            )
            shown.append(f"{one.arg}{annotation or ': Path'} = {name}")
        else:
            default = plain[one.arg].default
            text = _default_text(function, one.arg, known)
            if default is inspect.Parameter.empty or text is None:
                raise Refused(f"the parameter {one.arg} of {function.name}() has no default")
            shown.append(f"{one.arg}{annotation} = {text}" if annotation else f"{one.arg}={text}")
    return f"def load({', '.join(shown)})", tuple(constants)


def _default_text(function: Any, name: str, known: Any) -> str | None:
    arguments = function.args
    positional = dict(zip([one.arg for one in arguments.args][::-1], arguments.defaults[::-1], strict=False))
    keyword = dict(zip([one.arg for one in arguments.kwonlyargs], arguments.kw_defaults, strict=True))
    default = {**positional, **keyword}.get(name)
    return None if default is None else known.text(default)

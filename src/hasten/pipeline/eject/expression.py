"""Values as the text of expressions that make them anew: numbers, classes, functions, and what holds such."""

import ast
import dataclasses
import functools
import inspect
import itertools
import json
import re
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from hasten.base.errors import Refused
from hasten.base.seeds import preserved
from hasten.pipeline.eject.acting import is_own
from hasten.pipeline.eject.copying import CALLED, Copier, Import, module_of, replaced

_PUBLIC: tuple[tuple[Any, str, Import], ...] = (
    (nn, "nn", Import("torch", "nn")),
    (F, "F", Import("torch.nn", "functional", "F")),
    (optim, "torch.optim", Import("torch")),
    (torch, "torch", Import("torch")),
)
_MOST_NUMBERS = 32
"""Numbers of a tensor that is written out."""
_LONGEST = 60
"""Characters of a value that is written in the place of a variable, where that could be a global one as well."""
_MOST_ITEMS = 100
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_HARMLESS = frozenset({"len", "int", "float", "str", "max", "min", "sum", "round", "tuple", "list", "sorted", "bool"})


def expression(value: Any, copier: Copier) -> str:
    """Return an expression that makes the value; what it uses is copied or imported.

    Raises:
        Refused: if there is none; with the reason.
    """
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, torch.dtype):
        copier.imports.add(Import("torch"))
        return str(value)
    if isinstance(value, tuple | list):
        return _sequence(value, copier)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{expression(k, copier)}: {expression(v, copier)}" for k, v in value.items()) + "}"
    if isinstance(value, functools.partial):
        copier.imports.add(Import("functools", "partial"))
        return f"partial({call_arguments([value.func, *value.args], value.keywords, copier)})"
    if isinstance(value, type) or inspect.isroutine(value):
        return _named(value, copier)
    if dataclasses.is_dataclass(value):
        return _instance(value, copier)
    if isinstance(value, nn.Module) and (text := _plain_module(value, copier)):
        return text
    if isinstance(value, Tensor):
        return _tensor(value, copier)
    return made_object(value, copier)


def call_arguments(args: Any, keywords: Mapping[str, Any], copier: Copier) -> str:
    """Return the arguments of a call."""
    given = [expression(one, copier) for one in args]
    return ", ".join([*given, *(f"{name}={expression(one, copier)}" for name, one in keywords.items())])


def call(function: Any, arguments: str, copier: Copier) -> str:
    """Return a call of a function; of a partial, the call of what it is of."""
    if isinstance(function, functools.partial) and not function.args:
        keywords = call_arguments((), function.keywords, copier)
        return call(function.func, ", ".join(filter(None, [arguments, keywords])), copier)
    text = expression(function, copier)
    if not text.startswith("lambda"):
        return f"{text}({arguments})"
    return _applied(text, arguments) or f"({text})({arguments})"


def _applied(text: str, arguments: str) -> str | None:
    """Return the body of a lambda with names in the place of its parameters; None where that is another expression."""
    node: Any = ast.parse(text, mode="eval").body
    given, parameters = arguments.split(", "), [one.arg for one in node.args.args]
    bound = [one.arg for one in ast.walk(node) if isinstance(one, ast.arg)]
    bound += [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
    plain = len(bound) == len(parameters) == len(given) and all(one.isidentifier() for one in given)
    if not plain or {one.id for one in ast.walk(node.body) if isinstance(one, ast.Name)} & {*given} - {*parameters}:
        return None
    names = dict(zip(parameters, given, strict=True))
    uses = [one for one in ast.walk(node.body) if isinstance(one, ast.Name) and one.id in names]
    whole = replaced(text, [(one, names[one.id]) for one in uses])
    return ast.get_source_segment(whole, ast.parse(whole, mode="eval").body.body)  # type: ignore[attr-defined]


def _sequence(value: Any, copier: Copier) -> str:
    if len(value) > _MOST_ITEMS:
        raise Refused(f"a {type(value).__name__} of {len(value)} cannot be written as an expression")
    inside = ", ".join(expression(one, copier) for one in value)
    if isinstance(value, list):
        return f"[{inside}]"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def _named(value: Any, copier: Copier) -> str:
    name = getattr(value, "__name__", "")
    for place, prefix, needed in _PUBLIC:
        if getattr(place, name, None) is value:
            copier.imports.add(needed)
            return f"{prefix}.{name}"
    if isinstance(value, types.MethodType):
        return f"{expression(value.__self__, copier)}.{name}"
    if isinstance(value, types.FunctionType) and ("<locals>" in value.__qualname__ or name == "<lambda>"):
        return _local_function(value, copier)
    if not isinstance(value, type | types.FunctionType):
        raise Refused(f"{name or value!r} has no source text")
    return copier.copy(value)


def _tensor(value: Tensor, copier: Copier) -> str:
    """Return the expression of a small tensor."""
    if value.numel() > _MOST_NUMBERS or value.requires_grad or value.is_complex():
        raise Refused(f"a tensor of shape {tuple(value.shape)} cannot be written as an expression")
    copier.imports.add(Import("torch"))
    numbers = value.detach().cpu()
    text = str(numbers.tolist())
    if numbers.dtype is torch.float32:  # the shortest digits that give the same float32
        text = re.sub(r"[-\w.+]+", lambda found: str(np.float32(found[0])), text)
    usual = torch.tensor(numbers.tolist()).dtype is numbers.dtype
    return f"torch.tensor({text})" if usual else f"torch.tensor({text}, dtype={numbers.dtype})"


def made_object(value: Any, copier: Copier) -> str:
    """Return the name of a constant of the script: an object of a person's class, made with its attributes.

    Raises:
        Refused: if the class, called with the attributes that have the names of its parameters, makes another object.
    """
    kind = type(value)
    if (name := copier.objects.get(id(value))) is not None:
        return name
    refused = f"a {kind.__name__} cannot be written as an expression"
    if kind.__module__ == "builtins" or not (is_own(kind.__module__) or kind.__module__ == "torch.utils.data.sampler"):
        raise Refused(refused)
    given = dict[str, Any]()
    for parameter in inspect.signature(kind).parameters.values():
        held = next((one for one in (parameter.name, f"_{parameter.name}") if hasattr(value, one)), None)
        if held is None and parameter.default is parameter.empty and parameter.kind not in _ANY_NUMBER:
            raise Refused(f"{refused}: it does not keep the argument {parameter.name} as an attribute of that name")
        if held is not None and not same_state(getattr(value, held), parameter.default):
            given[parameter.name] = getattr(value, held)
    with preserved():
        fresh = kind(**given)
    if not same_state(fresh, value):
        raise Refused(
            f"{refused}: called with the attributes that have the names of its parameters, it makes another one"
        )
    text = f"{_named(kind, copier)}({call_arguments((), given, copier)})"
    if isinstance(value, nn.Module) and value.state_dict():
        text += ".to(DEVICE)"
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()
    stem = CALLED.get(stem, stem)
    names = (stem if not number else f"{stem}_{number}" for number in itertools.count())
    name = next(one for one in names if one not in copier.names)
    copier.objects[id(value)] = name
    copier.place(f"{name} = {text}", kind.__module__, name)
    return name


def same_state(one: Any, other: Any, seen: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Return whether two values are equal, objects by their attributes."""
    if one is other or (id(one), id(other)) in seen:
        return True
    if type(one) is not type(other):
        return False
    seen = seen | {(id(one), id(other))}
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, torch.Generator):
        return torch.equal(one.get_state(), other.get_state())
    if isinstance(one, Mapping):
        return [*one] == [*other] and all(same_state(one[name], other[name], seen) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same_state(*pair, seen) for pair in zip(one, other, strict=True))
    if isinstance(one, types.FunctionType):
        return one.__code__ is other.__code__
    if isinstance(getattr(one, "__dict__", None), dict) and type(one).__eq__ is object.__eq__:
        return same_state(vars(one), vars(other), seen)
    return bool(one == other)


def _local_function(function: types.FunctionType, copier: Copier) -> str:
    """Return the text of a lambda, or the name of an inner function, in which outer variables are their values."""
    node, text, module = node_of(function)
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    outer = {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}
    changes: list[tuple[ast.AST, str]] = []
    for part in ast.iter_child_nodes(node):
        _fold(part, outer, changes, copier, function)
    body = copier.needs_of(replaced(text, changes), module)
    if isinstance(node, ast.Lambda):
        return body
    copier.place(body, module, function.__name__)
    return CALLED.get(function.__name__, function.__name__)


def node_of(function: types.FunctionType) -> tuple[Any, str, str]:
    """Return a function's node, with places in its own text, that text, and its module."""
    known, first = module_of(function.__module__), function.__code__.co_firstlineno
    found: list[tuple[Any, str]] = []
    tree = ast.Module(known.statements, [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            line = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            text = known.text(node)
            if line == first and getattr(node, "name", "<lambda>") == function.__name__:
                found.append((node, text))
    if len(found) != 1:
        raise Refused(f"the text of {function.__qualname__} in {known.name}, line {first}, is not found")
    text = found[0][1]
    parsed: Any = ast.parse(text).body[0]
    return (parsed.value if isinstance(parsed, ast.Expr) else parsed), text, function.__module__


def _fold(
    node: ast.AST,
    outer: Mapping[str, Any],
    changes: list[tuple[ast.AST, str]],
    copier: Copier,
    function: types.FunctionType,
) -> None:
    """Note for the largest expressions of outer variables alone the text of their values."""
    if isinstance(node, ast.expr) and not isinstance(node, ast.Starred | ast.Slice):
        names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        calls = {_called(one) for one in ast.walk(node) if isinstance(one, ast.Call)}
        if names & outer.keys() and names - calls <= outer.keys() and calls <= _HARMLESS:
            value = eval(compile(ast.Expression(node), "<closure>", "eval"), {}, dict(outer))
            try:
                text = expression(value, copier)
                if len(text) <= _LONGEST or not copier.is_of_maker(function):
                    changes.append((node, text))
                    return
                raise Refused("the value is too long to be read inside of a function")
            except Refused:
                if isinstance(node, ast.Name) and copier.may_share(function, node.id):
                    return
                if isinstance(node, ast.Name):
                    raise Refused(f"it uses {node.id}, a {type(value).__name__} made outside of it") from None
    for part in ast.iter_child_nodes(node):
        _fold(part, outer, changes, copier, function)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else "."


def _instance(value: Any, copier: Copier) -> str:
    """Return the call that makes an instance of a dataclass."""
    given = {
        one.name: getattr(value, one.name)
        for one in dataclasses.fields(value)
        if one.init and not _same(getattr(value, one.name), one.default)
    }
    return f"{_named(type(value), copier)}({call_arguments((), given, copier)})"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _plain_module(value: nn.Module, copier: Copier) -> str | None:
    """Return the call that makes a module of torch's own without arguments, where that makes the same."""
    if getattr(nn, type(value).__name__, None) is not type(value) or value.state_dict():
        return None
    try:
        fresh = type(value)()
    except TypeError:
        return None
    return f"{_named(type(value), copier)}()" if repr(vars(fresh)) == repr(vars(value)) else None

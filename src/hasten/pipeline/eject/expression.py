"""Values as the text of expressions that make them anew: numbers, classes, functions, and what holds such."""

import ast
import dataclasses
import functools
import inspect
import json
import types
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn, optim
from torch.nn import functional as F

from hasten.base.errors import Refused
from hasten.pipeline.eject.copying import Copier, Import, module_of, replaced

_PUBLIC: tuple[tuple[Any, str, Import], ...] = (
    (nn, "nn", Import("torch", "nn")),
    (F, "F", Import("torch.nn", "functional", "F")),
    (optim, "torch.optim", Import("torch")),
    (torch, "torch", Import("torch")),
)
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
    raise Refused(f"a {type(value).__name__} cannot be written as an expression")


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
    return f"{text}({arguments})" if not text.startswith("lambda") else f"({text})({arguments})"


def _sequence(value: Any, copier: Copier) -> str:
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
        raise Refused(f"{value.__qualname__} is a method of an object")
    if isinstance(value, types.FunctionType) and ("<locals>" in value.__qualname__ or name == "<lambda>"):
        return _local_function(value, copier)
    if not isinstance(value, type | types.FunctionType):
        raise Refused(f"{name or value!r} has no source text")
    return copier.copy(value)


def _local_function(function: types.FunctionType, copier: Copier) -> str:
    """Return the text of a lambda, or the name of an inner function, in which outer variables are their values."""
    node, text, module = node_of(function)
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    outer = {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}
    changes: list[tuple[ast.AST, str]] = []
    for part in ast.iter_child_nodes(node):
        _fold(part, outer, changes, copier)
    body = copier.needs_of(replaced(text, changes), module)
    if isinstance(node, ast.Lambda):
        return body
    copier.place(body, module, function.__name__)
    return function.__name__


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


def _fold(node: ast.AST, outer: Mapping[str, Any], changes: list[tuple[ast.AST, str]], copier: Copier) -> None:
    """Note for the largest expressions of outer variables alone the text of their values."""
    if isinstance(node, ast.expr) and not isinstance(node, ast.Starred | ast.Slice):
        names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        calls = {_called(one) for one in ast.walk(node) if isinstance(one, ast.Call)}
        if names & outer.keys() and names - calls <= outer.keys() and calls <= _HARMLESS:
            value = eval(compile(ast.Expression(node), "<closure>", "eval"), {}, dict(outer))
            try:
                changes.append((node, expression(value, copier)))
                return
            except Refused:
                if isinstance(node, ast.Name):
                    raise Refused(f"it uses {node.id}, a {type(value).__name__} made outside of it") from None
    for part in ast.iter_child_nodes(node):
        _fold(part, outer, changes, copier)


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

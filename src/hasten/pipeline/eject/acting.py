"""What the statements at the top of a person's module change, beside the names that they bind."""

import ast
import builtins
import inspect
import random
import re
import sys
import textwrap
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

OUTSIDE = ""
"""Among the names that a statement changes: something that is no variable of the module."""
OF_HASTEN = "hasten."
"""Likewise: something of hasten, which a script does not import."""

_SETS = re.compile(r"^((manual_)?seed(_\w+)?|set_\w+|\w*register\w*|simplefilter|filterwarnings)$")
"""Names of functions that change a state, in whatever expression they are called."""
_GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random, Iterator)
_FIXED = (int, float, complex, str, bytes, tuple, frozenset, type(None), Path, torch.dtype, torch.device)
_DISPLAYS = (ast.Dict, ast.List, ast.Set, ast.Tuple, ast.ListComp, ast.DictComp, ast.SetComp, ast.Constant)
_INNER = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)
_SHOWS = (print, input, breakpoint)


@dataclass(frozen=True)
class Scope:
    """A module while its statements are read.

    Args:
        values: its variables, as they are after it was imported.
        made: name -> the expression that a statement at the top assigns to it.
        of_hasten: names that it imports from hasten.
    """

    values: Mapping[str, Any]
    made: Mapping[str, ast.expr]
    of_hasten: Collection[str] = ()


def changes_of(statement: ast.AST, scope: Scope) -> set[str]:
    """Return the variables of the module whose objects a statement changes; `OUTSIDE` or `OF_HASTEN` for others."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return _union(_by_decorator(one, scope) for one in statement.decorator_list)
    if isinstance(statement, ast.ClassDef):
        inner = (one for one in statement.body if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
        found = _union(_by_decorator(one, scope) for one in statement.decorator_list)
        return found | _union(changes_of(one, scope) for one in inner) | _by_bases(statement, scope)
    if isinstance(statement, ast.Expr):
        return _by_expression(statement.value, scope)
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        found = _union(_by_target(one, scope) for one in targets) | by_value(statement.value, scope)
        return found | (_in_place(statement, scope) if isinstance(statement, ast.AugAssign) else set())
    if isinstance(statement, ast.Delete):
        return _union(_by_target(one, scope) for one in statement.targets)
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Assert | ast.Raise) or is_guard(statement):
        return set()
    return _union(
        by_value(part, scope) if isinstance(part, ast.expr) else changes_of(part, scope)
        for part in ast.iter_child_nodes(statement)
    )


def inside(function: ast.AST, scope: Scope) -> Scope:
    """Return what a function of a module sees: what its own variables hold belongs to it, if it is made there."""
    local = _local_names(function)
    made: dict[str, ast.expr] = dict.fromkeys(local, ast.Constant(None))
    for one in ast.walk(function):
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Name | ast.Attribute | ast.Subscript):
            names = [target.id for target in one.targets if isinstance(target, ast.Name)]
            made |= dict.fromkeys(names if _root(one.value) not in local else [], one.value)
    outer = {name: value for name, value in scope.made.items() if name not in local}
    values = {name: value for name, value in scope.values.items() if name not in local}
    return Scope(values, outer | made, {*scope.of_hasten} - local)


def _local_names(function: ast.AST) -> set[str]:
    """Return the arguments and variables of a function, and of those inside of it."""
    nodes = [*ast.walk(function)]
    stored = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return stored | {one.arg for one in nodes if isinstance(one, ast.arg)}


def is_guard(statement: ast.AST) -> bool:
    """Return whether a statement runs only where the file is the script, or only for type checkers."""
    if not isinstance(statement, ast.If):
        return False
    return is_main(statement) or ast.unparse(statement.test).rpartition(".")[2] == "TYPE_CHECKING"


def is_main(statement: ast.If) -> bool:
    """Return whether this is `if __name__ == "__main__"`."""
    test = ast.unparse(statement.test)
    return "__name__" in test and "__main__" in test and "==" in test


def _by_expression(value: ast.expr, scope: Scope) -> set[str]:
    """Return what an expression changes that is a statement of its own."""
    if not isinstance(value, ast.Call):
        return {OUTSIDE} if any(True for _ in _calls(value)) else set()
    function = _resolved(value.func, scope)
    if _root(value.func) in scope.of_hasten:
        return {OF_HASTEN}
    if any(function is one for one in _SHOWS):
        return _union(by_value(one, scope) for one in ast.iter_child_nodes(value))
    if isinstance(value.func, ast.Attribute):
        changed = _owner(value.func.value, scope)
        if changed != OUTSIDE:
            return {changed} | _union(by_value(one, scope) for one in value.args)
    return {OUTSIDE}


def by_value(value: ast.AST | None, scope: Scope) -> set[str]:
    """Return what computing a value changes: by functions that set something, and by generators that move on."""
    found = set[str]()
    for call in _calls(value):
        if _root(call.func) in scope.of_hasten:
            continue
        given = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        given += [*call.args, *(one.value for one in call.keywords)]
        moved = [one for one in given if isinstance(one, ast.Name) and _is_generator(one, scope)]
        found |= {_owner(one, scope) for one in moved}
        if acts(call.func, scope):
            found.add(OUTSIDE)
    return found


def acts(function: ast.expr, scope: Scope) -> bool:
    """Return whether a function that an expression names changes something outside of itself."""
    name = ast.unparse(function).rpartition(".")[2]
    value = _resolved(function, scope)
    if _SETS.match(name) and (value is not None or isinstance(function, ast.Name)):
        return True
    return _function_acts(value, ())


def _function_acts(function: Any, seen: Collection[Any]) -> bool:
    """Return whether a function of the person's sets something that is neither a variable nor an argument of it."""
    if isinstance(function, type):
        made = (getattr(function, name, None) for name in ("__init__", "__post_init__"))
        return any(_function_acts(one, seen) for one in made)
    function = inspect.unwrap(function) if isinstance(function, types.FunctionType) else function
    if not isinstance(function, types.FunctionType) or function in seen or not _is_own(function):
        return False
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # written by a decorator, as the __init__ of a dataclass, or a part of a line
        return False
    local = _local_names(tree)
    scope = Scope({name: one for name, one in function.__globals__.items() if name not in local}, {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            return True
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            if _root(node) in scope.values:
                return True
        elif isinstance(node, ast.Call):
            value = _resolved(node.func, scope)
            name = ast.unparse(node.func).rpartition(".")[2]
            if value is not None and (_SETS.match(name) or _function_acts(value, (*seen, function))):
                return True
            if isinstance(node.func, ast.Attribute) and _is_container(node.func.value, scope):
                return True
    return False


def _is_container(node: ast.expr, scope: Scope) -> bool:
    return isinstance(_resolved(node, scope), list | dict | set)


def _by_decorator(decorator: ast.expr, scope: Scope) -> set[str]:
    """Return what a decorator changes: one that registers, or a method of an object of the module."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    if _root(function) in scope.of_hasten:
        return set()
    base = _resolved(function.value, scope) if isinstance(function, ast.Attribute) else None
    is_method = base is not None and not isinstance(base, types.ModuleType | type)
    return {OUTSIDE} if is_method or acts(function, scope) else set()


def _by_bases(statement: ast.ClassDef, scope: Scope) -> set[str]:
    """Return whether making a class runs code of the person's, which may register it."""
    value = scope.values.get(statement.name)
    if not isinstance(value, type):
        return set()
    made = _is_own(type(value)) or any("__init_subclass__" in vars(one) and _is_own(one) for one in value.__mro__[1:])
    return {OUTSIDE} if made else set()


def _by_target(target: ast.expr, scope: Scope) -> set[str]:
    """Return what is changed where a value is assigned to, or deleted from, a target."""
    if isinstance(target, ast.Tuple | ast.List):
        return _union(_by_target(one, scope) for one in target.elts)
    if isinstance(target, ast.Starred):
        return _by_target(target.value, scope)
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return set()
    return {OF_HASTEN if _root(target) in scope.of_hasten else _owner(target.value, scope)}


def _in_place(statement: ast.AugAssign, scope: Scope) -> set[str]:
    """Return what `name += value` changes beside the name: an object that is known elsewhere, too."""
    if not isinstance(statement.target, ast.Name):
        return set()
    value = scope.values.get(statement.target.id)
    return set() if isinstance(value, _FIXED) else {_owner(statement.target, scope)} - {statement.target.id}


def _owner(node: ast.expr, scope: Scope) -> str:
    """Return the variable that alone holds the object that an expression is or is part of; `OUTSIDE` if none does."""
    name = _root(node)
    made, value = scope.made.get(name), scope.values.get(name)
    if made is None or value is torch.default_generator:
        return OUTSIDE
    if isinstance(made, _DISPLAYS) or isinstance(value, _GENERATORS):
        return name
    kind = _resolved(made.func, scope) if isinstance(made, ast.Call) else None
    return name if isinstance(kind, type) and not _is_own(kind) else OUTSIDE


def _is_generator(node: ast.Name, scope: Scope) -> bool:
    return isinstance(scope.values.get(node.id), _GENERATORS)


def _resolved(node: ast.expr, scope: Scope) -> Any:
    """Return the object that a dotted name stands for; None where reading it could run code."""
    if isinstance(node, ast.Name):
        return scope.values.get(node.id, getattr(builtins, node.id, None))
    if isinstance(node, ast.Attribute):
        base = _resolved(node.value, scope)
        return getattr(base, node.attr, None) if isinstance(base, types.ModuleType | type) else None
    return None


def _root(node: ast.expr) -> str:
    """Return the name that an expression of attributes, items and calls starts with; nothing if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _calls(node: ast.AST | None) -> Iterator[ast.Call]:
    """Yield the calls that run when an expression does."""
    if node is None or isinstance(node, _INNER):
        return
    if isinstance(node, ast.Call):
        yield node
    for one in ast.iter_child_nodes(node):
        yield from _calls(one)


def _union(found: Iterable[set[str]]) -> set[str]:
    return set[str]().union(*found)


def _is_own(value: Any) -> bool:
    """Return whether a class or function is defined in a file of the person."""
    return is_persons(getattr(value, "__module__", None) or "")


def is_persons(module: str) -> bool:
    """Return whether a module is a file of the person, and not of a package or of Python."""
    return not is_of_hasten(module) and is_own(module)


def is_own(module: str) -> bool:
    """Return whether a module is a file of the person, or of hasten wherever it is installed: a script copies both."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not path.endswith(".py"):
        return False
    if is_of_hasten(module):
        return True
    return "site-packages" not in path and not Path(path).is_relative_to(Path(ast.__file__).parent)


def is_of_hasten(module: str) -> bool:
    """Return whether a module belongs to hasten."""
    return module.partition(".")[0] == "hasten"

"""The code of a function that runs, as a tree, and what its names stand for."""

import ast
import linecache
import sys
import sysconfig
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType, FunctionType
from typing import Any
from weakref import ProxyTypes

import numpy as np
from torch import Tensor, nn

MISSING = object()
"""What a name stands for that is not known."""
_SHAPES = ("squeeze", "unsqueeze", "flatten", "view", "reshape", "ravel", "contiguous", "clone", "detach")
_TYPES = ("to", "cpu", "cuda", "numpy", "float", "double")
"""Methods that leave the numbers of a tensor as they are, but for their type."""
_GROWS = ("append", "extend", "insert", "add", "update", "pop", "remove", "clear")
"""Methods that change the length of what they belong to."""
_OURS = ("hasten.", "torch.")
_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "<frozen")
_HOLDERS = 3
"""Of a dictionary of local names: its frame, the name for it here, and the argument of the function that counts."""
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


@dataclass(frozen=True)
class Code:
    """A function, or a module without its functions."""

    nodes: tuple[ast.AST, ...]  # in the order of the source
    parents: dict[ast.AST, ast.AST]
    bound: dict[str, tuple[ast.AST, ...]]  # name -> the statements that bind it
    changed: frozenset[str]  # names of what is changed in place

    def value(self, use: ast.Name) -> ast.expr | None:
        """Return what is assigned alone to a name where it is used; None where that is not certain."""
        one = None if use.id in self.changed else self.statement(use)
        if not isinstance(one, ast.Assign) or len(one.targets) != 1 or not isinstance(one.targets[0], ast.Name):
            return None
        return one.value

    def statement(self, use: ast.Name) -> ast.AST | None:
        """Return what binds a name where it is used; None where that is not certain.

        It is certain of the only statement that binds the name; of several, of the one that stands before the use in a
        block that holds both, if no turn of a loop around the use binds the name anew in between.
        """
        statements = self.bound.get(use.id, ())
        return statements[0] if len(statements) == 1 else self._last_before(use, statements)

    def _last_before(self, use: ast.Name, statements: Sequence[ast.AST]) -> ast.AST | None:
        around = list(self.above(use))
        if any(one in around for one in statements):
            return None  # the use is a part of what binds the name
        before = [one for one in statements if isinstance(one, ast.stmt) and end(one) <= begin(use)]
        last = max(before, key=end, default=None)
        if last is None or not any(one in self._block(last) for one in around):
            return None
        turned = [one for one in around if isinstance(one, ast.For | ast.While) and one not in self.above(last)]
        others = [one for one in statements if one is not last]
        return None if any(loop in self.above(one) for loop in turned for one in others) else last

    def _block(self, statement: ast.stmt) -> list[ast.AST]:
        """Return the statements among which one stands."""
        fields = (value for _, value in ast.iter_fields(self.parents[statement]) if isinstance(value, list))
        return next((block for block in fields if statement in block), [])

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node is a part of, from the inside."""
        while (found := self.parents.get(node)) is not None:
            yield found
            node = found


def begin(node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Return the place where a node begins."""
    return node.lineno, node.col_offset


def end(node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Return the place where a node ends."""
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def persons_frames() -> Iterator[FrameType]:
    """Yield the frames that run, the innermost first, of the person's code and of a trainer's that called it."""
    frame: FrameType | None = sys._getframe(1)
    persons = False
    while frame is not None:
        if not str(frame.f_globals.get("__name__", "")).startswith(_OURS):
            library = frame.f_code.co_filename.startswith(_LIBRARY)
            if library and persons:
                return
            persons = not library
            yield frame
        frame = frame.f_back


def code_of(frame: FrameType) -> Code | None:
    """Return the code of a frame; None where its source cannot be read. Cost: some ms, once for each function."""
    return _code_behind(frame.f_code)


def code_called(call: ast.Call, names: Mapping[str, Any]) -> tuple[Code, dict[str, ast.expr]] | None:
    """Return the code of a person's function that a call runs, and what each of its names is given, by position.

    Names that the function binds anew, or changes in place, are left out. None where the source is not known.
    """
    function = meaning(call.func, names)
    if not isinstance(function, FunctionType) or str(function.__module__).startswith(_OURS):
        return None
    if function.__code__.co_filename.startswith(_LIBRARY) or any(isinstance(one, ast.Starred) for one in call.args):
        return None
    code = _code_behind(function.__code__)
    if code is None:
        return None
    given = dict(zip(function.__code__.co_varnames[: function.__code__.co_argcount], call.args, strict=False))
    given |= {one.arg: one.value for one in call.keywords if one.arg is not None}
    return code, {name: one for name, one in given.items() if name not in code.bound and name not in code.changed}


def _code_behind(made: CodeType) -> Code | None:
    return _code_of(made.co_filename, made.co_firstlineno, made.co_name)


@lru_cache(maxsize=64)
def _code_of(file: str, line: int, name: str) -> Code | None:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None
    if name == "<module>":
        return _code(tree)
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    found = next((one for one in functions if one.name == name and _begins(one) == line), None)
    return None if found is None else _code(found)


def _begins(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(one.lineno for one in function.decorator_list)])


def _code(root: ast.AST) -> Code:
    nodes, parents, bound = list[ast.AST](), dict[ast.AST, ast.AST](), dict[str, list[ast.AST]]()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        if isinstance(node, _SCOPES) and node is not root:
            continue
        children = list(ast.iter_child_nodes(node))
        parents.update(dict.fromkeys(children, node))
        waiting += reversed(children)
    for one in nodes:
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            statement = one
            while not isinstance(statement, ast.stmt | ast.comprehension):
                statement = parents[statement]
            bound.setdefault(one.id, []).append(statement)
    changed = frozenset(name for one in nodes if isinstance(one, ast.Call) for name in _changed_by(one))
    return Code(tuple(nodes), parents, {name: tuple(each) for name, each in bound.items()}, changed)


def _changed_by(call: ast.Call) -> list[str]:
    """Return the names of what a call changes in place: `x.sigmoid_()`, `torch.sigmoid_(x)`, `x.append(y)`."""
    if not isinstance(called := call.func, ast.Attribute):
        return []
    in_place = called.attr.endswith("_") and not called.attr.endswith("__")
    if not in_place and called.attr not in _GROWS and all(one.arg != "inplace" for one in call.keywords):
        return []
    return [one.id for one in (called.value, *call.args) if isinstance(one, ast.Name)]


def names_in(frame: FrameType) -> ChainMap[str, Any]:
    """Return the names that a frame knows. Python keeps what it has shown of a function's, so that is cleared.

    What the function itself got from `locals()` is the same dictionary, and is left as it is.
    """
    shown = frame.f_locals
    own = {name: value for name, value in shown.items() if type(value) not in ProxyTypes}  # may stand for nothing
    if frame.f_code.co_flags & CO_OPTIMIZED and type(shown) is dict and sys.getrefcount(shown) <= _HOLDERS:
        shown.clear()
    return ChainMap(own, frame.f_globals)


def meaning(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what a name, an attribute or an entry of a dictionary stands for; no code of the person's runs."""
    if isinstance(node, ast.Name):
        return names.get(node.id, MISSING)
    if isinstance(node, ast.Attribute):
        return _attribute(meaning(node.value, names), node.attr)
    if isinstance(node, ast.Subscript):
        owner = meaning(node.value, names)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else meaning(node.slice, names)
        return owner.get(key, MISSING) if type(owner) is dict and isinstance(key, str | int) else MISSING
    return MISSING


def _attribute(owner: Any, name: str) -> Any:
    found = attributes(owner).get(name, MISSING)
    if found is MISSING and isinstance(owner, nn.Module):
        return owner._modules.get(name, MISSING)
    return found


def attributes(owner: Any) -> Mapping[str, Any]:
    """Return the attributes that an object itself has; no `__getattr__` of the person's runs."""
    try:
        return object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return {}


def unshaped(node: ast.expr) -> ast.expr:
    """Return an expression without what changes only the shape, the place or the type of its numbers at its end."""
    while True:
        inner = node.func if isinstance(node, ast.Call) else node
        known = (*_SHAPES, *_TYPES) if isinstance(node, ast.Call) else ("data", "T")
        if isinstance(inner, ast.Subscript) or (isinstance(inner, ast.Attribute) and inner.attr in known):
            node = inner.value
        else:
            return node


def call_behind(node: ast.expr, code: Code) -> ast.Call | None:
    """Return the call that gave an expression, perhaps in another shape, or by a name that stands for it alone."""
    node = unshaped(node)
    if isinstance(node, ast.Name):
        value = code.value(node)
        node = node if value is None else unshaped(value)
    return node if isinstance(node, ast.Call) else None


def owner_of(call: ast.Call) -> ast.expr:
    """Return what a call calls; of `model.forward`, the model."""
    called = call.func
    return called.value if isinstance(called, ast.Attribute) and called.attr == "forward" else called


def spans(node: ast.expr, line: int) -> bool:
    """Return whether an expression stands in a line, perhaps beside others."""
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def numbers_of(node: ast.expr, names: Mapping[str, Any]) -> Tensor | np.ndarray | None:
    """Return the tensor or array that an expression takes its numbers from; None where that is not known."""
    found = meaning(unshaped(node), names)
    return found if isinstance(found, Tensor | np.ndarray) else None

"""Passes over the same inputs that are collected to be averaged, and are all equal since dropout is off."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from hasten.base.records.data_facts import Misread
from hasten.diagnosis.watching.events import Call
from hasten.diagnosis.watching.source import Code, code_of, meaning, names_in, owner_of, persons_frames, spans

PASSES = 5
"""Equal passes in a row, below which a loop may only ask whether a model gives the same again."""
_LINES = 64  # that call a model
_JOINS = ("stack", "array", "asarray")
_COMPREHENSIONS = ("<listcomp>", "<genexpr>")  # which have frames of their own before Python 3.12


class EqualPasses:
    """Compares the outputs of each line that gives a model the same inputs again and again."""

    def __init__(self) -> None:
        self._lines: dict[tuple[object, ...], tuple[str, Tensor, int] | None] = {}  # code, last output, equal passes

    def note(self, call: Call, output: Tensor) -> Misread | None:
        """Compare a pass without gradients with the one before it; return the line once there are enough equal ones."""
        frame = next((one for one in persons_frames() if one.f_code.co_name not in _COMPREHENSIONS), None)
        if frame is None or call.training:
            return None
        key = (frame.f_code, frame.f_lineno, id(call.module))
        if key not in self._lines:
            if len(self._lines) >= _LINES:
                return None
            code = code_of(frame) if _is_off(call.module) else None
            text = "" if code is None else _repeated(code, names_in(frame), call.module, frame.f_lineno)
            self._lines[key] = (text, output.clone(), 1) if text else None
            return None
        known = self._lines[key]
        if known is None:
            return None
        text, before, passes = known
        if before.dtype != output.dtype or not torch.equal(before, output):
            self._lines[key] = None
            return None
        self._lines[key] = (text, before, passes + 1) if passes + 1 < PASSES else None
        return Misread(kind="repeats", code=text, line=frame.f_lineno) if passes + 1 == PASSES else None


def _is_off(module: nn.Module) -> bool:
    """Return whether a module has layers that drop units, and none does now."""
    drops = [one for one in module.modules() if isinstance(one, _DropoutNd) and one.p > 0]
    return bool(drops) and not any(one.training for one in drops)


def _repeated(code: Code, names: Mapping[str, Any], module: nn.Module, line: int) -> str:
    """Return the call of a module that is made again with the same inputs, whose outputs are joined; "" for others."""
    calls = [one for one in code.nodes if isinstance(one, ast.Call) and spans(one, line)]
    calls = [one for one in calls if meaning(owner_of(one), names) is module]
    if len(calls) != 1:
        return ""
    used = {one.id for one in ast.walk(calls[0]) if isinstance(one, ast.Name)}
    for above in code.above(calls[0]):
        if isinstance(above, ast.ListComp | ast.GeneratorExp):
            bound = {one.id for each in above.generators for one in ast.walk(each.target) if isinstance(one, ast.Name)}
            return ast.unparse(calls[0]) if not used & bound and _is_joined(above, code) else ""
        if isinstance(above, ast.For):
            bound = {name for name in used for one in code.bound.get(name, ()) if _is_within(one, above, code)}
            kept = any(_is_joined_name(name, code) for name in _appended(calls[0], code))
            return ast.unparse(calls[0]) if not used & (bound | code.changed) and kept else ""
    return ""


def _is_joined(node: ast.expr, code: Code) -> bool:
    """Return whether a list is made one tensor, at once or by the name that it gets."""
    above = next(code.above(node), None)
    if isinstance(above, ast.Call):
        return _joins(above)
    named = isinstance(above, ast.Assign) and len(above.targets) == 1 and isinstance(above.targets[0], ast.Name)
    return named and _is_joined_name(above.targets[0].id, code)  # type: ignore[union-attr]


def _is_joined_name(name: str, code: Code) -> bool:
    joined = (one.args[0] for one in code.nodes if isinstance(one, ast.Call) and one.args and _joins(one))
    return any(isinstance(one, ast.Name) and one.id == name for one in joined)


def _joins(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in _JOINS


def _appended(node: ast.AST, code: Code) -> Iterator[str]:
    """Yield the names of the lists that something is appended to."""
    for above in code.above(node):
        called = above.func if isinstance(above, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == "append" and isinstance(called.value, ast.Name):
            yield called.value.id


def _is_within(node: ast.AST, outer: ast.AST, code: Code) -> bool:
    return node is outer or any(one is outer for one in code.above(node))

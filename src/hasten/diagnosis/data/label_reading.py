"""Labels that the person's code compares the classes of an evaluation with, read from the code that calls the model.

Where no loss is computed, `(model(x).argmax(1) == y).float().mean()` is the only line that knows the labels.
"""

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hasten.diagnosis.data.expressions import compared, given_first, largest_over_last
from hasten.diagnosis.watching.source import (
    Code,
    begin,
    call_behind,
    code_called,
    code_of,
    end,
    meaning,
    names_in,
    owner_of,
    persons_frames,
    spans,
    unshaped,
)

_LINES = 64  # that call a model
_RISING = ("softmax", "log_softmax", "exp", "sigmoid")
"""Functions that leave the largest output where it is."""
_TYPES = ("long", "int", "byte", "bool", "type", "type_as", "view_as", "tolist")
_SCORES = ("accuracy_score", "balanced_accuracy_score", "f1_score", "confusion_matrix", "classification_report")
"""Functions of scikit-learn that take labels and predicted classes."""


@dataclass(frozen=True)
class _Read:
    """Labels that a call's classes are compared with."""

    labels: ast.expr
    threshold: float | None  # of a single output, from which on it says class 1


class LabelReader:
    """Reads each line that calls a model once."""

    def __init__(self) -> None:
        self._known: dict[tuple[CodeType, int], _Read | None] = {}

    def labels(self, module: nn.Module, rows: int) -> tuple[Tensor, float | None] | None:
        """Return the labels, one for each row of the input, and the threshold of a single output; None without any.

        Args:
            module: that the newest frame of the person's code has called.
            rows: of its input.
        """
        frame = next(persons_frames(), None)
        if frame is None:
            return None
        key = frame.f_code, frame.f_lineno
        if key not in self._known and len(self._known) < _LINES:
            code = code_of(frame)
            found = None if code is None else next(_reads(code, names_in(frame), module, frame.f_lineno), None)
            self._known[key] = found
        read = self._known.get(key)
        if read is None:
            return None
        labels = _classes(_numbers(read.labels, names_in(frame)))
        return None if labels is None or len(labels) != rows else (labels, read.threshold)


def _reads(code: Code, names: Mapping[str, Any], module: nn.Module, line: int) -> Iterator[_Read]:
    """Yield the labels that the classes of the only call of a module in a line are compared with."""
    calls = [one for one in code.nodes if isinstance(one, ast.Call) and spans(one, line)]
    calls = [one for one in calls if meaning(owner_of(one), names) is module]
    if len(calls) != 1:  # which of several it is, is not known
        return
    call = calls[0]
    for node in code.nodes:
        if not isinstance(node, ast.Compare | ast.Call) or end(node) < end(call):
            continue
        pairs = [*_pairs(node, code), *(_pairs_within(node, code, names, call) if isinstance(node, ast.Call) else ())]
        for chosen, labels in pairs:
            if _comes_from(chosen.scores, call, code) and _stays(labels, call, node, code):
                yield _Read(labels, chosen.threshold)


@dataclass(frozen=True)
class _Chosen:
    """An expression that is the class of scores."""

    scores: ast.expr
    threshold: float | None


def _pairs(node: ast.AST, code: Code) -> Iterator[tuple[_Chosen, ast.expr]]:
    """Yield a class and what an expression compares it with."""
    pair = compared(node) or _scored(node)
    for said, labels in () if pair is None else (pair, pair[::-1]):
        chosen = _chosen(said, code)
        if chosen is not None:
            yield chosen, labels


def _scored(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """Return what a function of scikit-learn compares."""
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return (node.args[0], node.args[1]) if name in _SCORES else None


def _pairs_within(
    node: ast.Call, code: Code, names: Mapping[str, Any], call: ast.Call
) -> Iterator[tuple[_Chosen, ast.expr]]:
    """Yield what a function of the person's compares that is given the output of a call, or its class."""
    given = [*node.args, *(one.value for one in node.keywords)]
    passed = {id(one): chosen for one in given if (chosen := _chosen(one, code)) is not None}
    if not any(id(one) in passed or _comes_from(one, call, code) for one in given):
        return
    called = code_called(node, names)
    if called is None:
        return
    inner, arguments = called
    for one in inner.nodes:
        pair = compared(one) or _scored(one)
        for said, labels in () if pair is None else (pair, pair[::-1]):
            wanted = arguments.get(_name(labels))
            argument = arguments.get(_name(said))
            chosen = _chosen(said, inner)
            if wanted is not None and argument is not None and id(argument) in passed:
                yield passed[id(argument)], wanted
            elif wanted is not None and chosen is not None:
                scores = arguments.get(_name(chosen.scores))
                if scores is not None:
                    yield _Chosen(scores, chosen.threshold), wanted


def _name(node: ast.expr) -> str:
    node = _plain(node)
    return node.id if isinstance(node, ast.Name) else ""


def _plain(node: ast.expr) -> ast.expr:
    """Return an expression without what changes its shape and its type alone."""
    while True:
        node = unshaped(node)
        typed = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TYPES
        if not typed:
            return node
        node = node.func.value  # type: ignore[attr-defined]


def _chosen(node: ast.expr, code: Code) -> _Chosen | None:
    """Return the scores that an expression is the class of."""
    node = _plain(node)
    if isinstance(node, ast.Name):
        value = _assigned(node, code)
        node = node if value is None else _plain(value)
    if (scores := largest_over_last(node)) is not None:
        return _Chosen(_unraised(scores), None)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Gt | ast.GtE):
        limit = node.comparators[0]
        if isinstance(limit, ast.Constant) and isinstance(limit.value, int | float):
            return _above(node.left, float(limit.value), code)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "round":
        return _above(given_first(node), 0.5, code)
    return None


def _assigned(node: ast.Name, code: Code) -> ast.expr | None:
    """Return what a name stands for, as the second one in `values, classes = scores.max(1)` also does."""
    one = code.statement(node)
    if not isinstance(one, ast.Assign) or len(one.targets) != 1:
        return None
    target = one.targets[0]
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:
        second = target.elts[1]
        return one.value if isinstance(second, ast.Name) and second.id == node.id else None
    return one.value if isinstance(target, ast.Name) else None


def _above(node: ast.expr, limit: float, code: Code) -> _Chosen | None:
    """Return the scores that an expression compares with a limit, and the limit for these."""
    node = unshaped(node)
    if isinstance(node, ast.Name):
        value = code.value(node)
        node = node if value is None else unshaped(value)
    inner = _unraised(node, ("sigmoid",))
    if inner is node:
        return _Chosen(node, limit)
    return _Chosen(inner, math.log(limit / (1 - limit))) if 0 < limit < 1 else None


def _unraised(node: ast.expr, names: tuple[str, ...] = _RISING) -> ast.expr:
    """Return what an expression is a rising function of, as the logits of probabilities."""
    known = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    if not known:
        return node
    owner = node.func.value  # type: ignore[attr-defined]
    library = isinstance(owner, ast.Name) and owner.id in ("torch", "F")
    return (node.args[0] if node.args else node) if library else owner  # type: ignore[attr-defined]


def _comes_from(node: ast.expr, call: ast.Call, code: Code) -> bool:
    """Return whether an expression is what a call gave, or a rising function of it."""
    if call_behind(node, code) is call:
        return True
    node = unshaped(node)
    value = code.value(node) if isinstance(node, ast.Name) else None
    return value is not None and call_behind(_unraised(value), code) is call


def _stays(labels: ast.expr, call: ast.Call, comparison: ast.expr, code: Code) -> bool:
    """Return whether no name of an expression is bound anew between a call and a comparison."""
    while isinstance(labels, ast.Call) and isinstance(
        labels.func, ast.Attribute
    ):  # what gives a shape tells no numbers
        labels = labels.func.value
    for name in {one.id for one in ast.walk(labels) if isinstance(one, ast.Name)}:
        for one in code.bound.get(name, ()):
            if not isinstance(one, ast.stmt) or begin(call) <= end(one) <= end(comparison):
                return isinstance(one, ast.For) and one in code.above(call)
    return True


def _numbers(node: ast.expr, names: Mapping[str, Any]) -> Tensor | np.ndarray | None:
    """Return the numbers of an expression: of a name, perhaps a part of it, in another shape or type."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        inner = node.func.value
        return _numbers(inner, names) if unshaped(node) is not node or _plain(node) is not node else None
    if isinstance(node, ast.Subscript):
        whole = _numbers(node.value, names)
        key = _key(node.slice, names)
        if whole is not None:
            return None if key is None else whole[key]
    found = meaning(node, names)
    return found if type(found) in (Tensor, np.ndarray) else None


def _key(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what picks rows: numbers of rows, or a slice of whole numbers; None where that is not known."""
    if isinstance(node, ast.Slice):
        ends = [None if one is None else _whole(one, names) for one in (node.lower, node.upper)]
        unknown = any(one is not None and at is None for one, at in zip((node.lower, node.upper), ends, strict=True))
        return None if unknown or node.step is not None else slice(*ends)
    found = meaning(node, names)
    return found if type(found) in (Tensor, np.ndarray, slice, list) else None


def _whole(node: ast.expr, names: Mapping[str, Any]) -> int | None:
    """Return a whole number, perhaps a sum or a product of two; None for anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        left, right = _whole(node.left, names), _whole(node.right, names)
        if left is None or right is None:
            return None
        return left + right if isinstance(node.op, ast.Add) else left * right
    found = node.value if isinstance(node, ast.Constant) else meaning(node, names)
    return found if type(found) is int else None


def _classes(numbers: Tensor | np.ndarray | None) -> Tensor | None:
    """Return class numbers as a flat tensor of int64; None for other numbers."""
    if numbers is None or (isinstance(numbers, np.ndarray) and numbers.dtype.kind not in "iubf"):
        return None
    flat = torch.as_tensor(numbers).detach().reshape(-1).cpu()
    if flat.is_complex() or (flat.is_floating_point() and not bool(((flat == 0) | (flat == 1)).all())):
        return None
    return flat.long()

"""Whether a loop over epochs was left before its end by patience, as the code says and its names tell.

A `break` under a condition that has a patience ends the loop: `if counter >= patience`, or `if stopper.early_stop`
where `stopper` has an attribute with that name. What the condition knows as the best so far tells which number it
watches.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from hasten.base.records.wiring import Patience
from hasten.base.units import finite
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.source import Code, attributes, code_of, meaning, names_in, persons_frames

_FRAMES = 4
_NAME, _BEST = "patience", "best"


class StopCollector(Collector):
    """Looks at the loops around each evaluation."""

    def __init__(self) -> None:
        self._step = self._looked = 0
        self.patience: Patience | None = None  # as it was at the last evaluation

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: evaluations are told in all steps."""
        return NEVER

    def step_begins(self, step: int) -> None:
        """Note the step."""
        self._step = step

    def unwatched(self, steps: int, schedules: Mapping[Any, int]) -> None:
        """Count steps."""
        self._step += steps

    def call_ended(self, call: Call, output: Any) -> None:
        """Look once at the loops around an evaluation. Cost: some 50 us."""
        if call.grad or self._looked == self._step:
            return
        self._looked = self._step
        for number, frame in enumerate(persons_frames()):
            if number >= _FRAMES:
                return
            code = code_of(frame)
            loops = [] if code is None else [one for one in _loops(code) if _spans(one, frame.f_lineno)]
            if code is None or not loops:
                continue
            names = names_in(frame)
            found = next((seen for one in loops if (seen := _patience(one, code, names)) is not None), None)
            if found is not None:
                self.patience = found
                return


def _loops(code: Code) -> Iterator[ast.For]:
    for one in code.nodes:
        if isinstance(one, ast.For) and isinstance(one.target, ast.Name):
            yield one


def _spans(loop: ast.For, line: int) -> bool:
    return loop.lineno <= line <= (loop.end_lineno or loop.lineno)


def _patience(loop: ast.For, code: Code, names: Mapping[str, Any]) -> Patience | None:
    """Return what a loop over a range of numbers stops by; None where it is not left by patience."""
    last, now = _last(loop.iter, names), meaning(loop.target, names)
    if last is None or not isinstance(now, int) or not isinstance(loop.target, ast.Name):
        return None
    for one in ast.walk(loop):
        if not isinstance(one, ast.If) or not any(isinstance(each, ast.Break) for each in one.body):
            continue
        if next((each for each in code.above(one) if isinstance(each, ast.For | ast.While)), None) is not loop:
            continue
        counts_turns = any(isinstance(each, ast.Name) and each.id == loop.target.id for each in ast.walk(one.test))
        limit = None if counts_turns else _limit(one.test, names)
        if limit is not None:
            if _leaves_elsewhere(loop, one):
                return None  # for a goal that is reached
            return Patience(limit=limit, left=last - now, best=tuple(map(finite, _bests(one.test, names))))
    return None


def _leaves_elsewhere(loop: ast.For, by_patience: ast.If) -> bool:
    """Return whether a loop is left by more than one condition."""
    known = set(ast.walk(by_patience))
    inner = [one for one in ast.walk(loop) if isinstance(one, ast.For | ast.While) and one is not loop]
    others = {each for one in inner for each in ast.walk(one) if isinstance(each, ast.Break)}
    exits = (one for one in ast.walk(loop) if isinstance(one, ast.Break | ast.Return))
    return any(one not in known and one not in others for one in exits)


def _last(node: ast.expr, names: Mapping[str, Any]) -> int | None:
    """Return the last number of `range(...)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "range":
        return None
    numbers = [_whole(one, names) for one in node.args]
    if not numbers or len(numbers) > 2 or numbers[-1] is None:
        return None
    return numbers[-1] - 1


def _whole(node: ast.expr, names: Mapping[str, Any]) -> int | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        one, other = _whole(node.left, names), _whole(node.right, names)
        return None if one is None or other is None else one + other
    found = node.value if isinstance(node, ast.Constant) else meaning(node, names)
    return found if isinstance(found, int) else None


def _limit(test: ast.expr, names: Mapping[str, Any]) -> int | None:
    """Return the patience of a condition."""
    for one in ast.walk(test):
        if not isinstance(one, ast.Name | ast.Attribute):
            continue
        name = one.id if isinstance(one, ast.Name) else one.attr
        found = meaning(one, names)
        if _NAME in name.lower() and isinstance(found, int):
            return found
        limits = [value for key, value in attributes(found).items() if _NAME in key and isinstance(value, int)]
        if len(limits) == 1:
            return limits[0]
    return None


def _bests(test: ast.expr, names: Mapping[str, Any]) -> Iterator[float]:
    """Yield the numbers that the loop, or what its condition asks, knows as the best so far."""
    owners = [meaning(one, names) for one in ast.walk(test) if isinstance(one, ast.Name)]
    known = [*names.items(), *(each for one in owners for each in attributes(one).items())]
    for name, value in known:
        if _BEST in str(name).lower() and isinstance(value, float):
            yield value

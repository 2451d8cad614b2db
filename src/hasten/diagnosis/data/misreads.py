"""Lines of the person's code that make a wrong result of outputs that are right.

Each is proven by the code and by what its names stand for while it runs: real numbers compared with `==`, a sum over
samples divided by another count, a threshold of 0.5 for what is no probability, a class taken over the samples or
over a single output, passes that are joined for their spread and are all equal.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, SubsetRandomSampler

from hasten.base.records.data_facts import Misread
from hasten.data.tree import tensors_within
from hasten.diagnosis.data.equal_passes import EqualPasses
from hasten.diagnosis.data.expressions import compared, dimensions, given_first, largest_over_last
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.source import (
    MISSING,
    Code,
    call_behind,
    code_called,
    code_of,
    meaning,
    names_in,
    numbers_of,
    owner_of,
    persons_frames,
    spans,
    unshaped,
)

_FRAMES = 3  # of the person's, from that which calls the model
_CALLS = 64  # lines that call a model
_NUMBERS = 1000  # of a tensor that are looked at
_REAL = 0.5  # share that are no whole numbers
_WRAPPERS = ("enumerate", "tqdm", "trange", "iter", "list", "track")


class MisreadCollector(Collector):
    """Reads the code that calls a model, once for each line that does, with gradients and without."""

    def __init__(self) -> None:
        self._known: set[tuple[object, ...]] = set()
        self._found: dict[tuple[str, int, str], Misread] = {}
        self._passes = EqualPasses()

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the second step; evaluations are told in all."""
        return step + 1 if step < 2 else NEVER

    def call_ended(self, call: Call, output: Any) -> None:
        """Read the functions that call the model."""
        made = next(iter(tensors_within(output)), None)
        if not call.grad and isinstance(made, Tensor):
            equal = self._passes.note(call, made.detach())
            if equal is not None:
                self._found.setdefault((equal.kind, equal.line, equal.code), equal)
        for number, frame in enumerate(persons_frames()):
            if number >= _FRAMES or len(self._known) >= _CALLS:
                return
            key = (frame.f_code, frame.f_lineno, call.grad)
            if key in self._known:
                continue
            self._known.add(key)
            code = code_of(frame)
            if code is None:
                continue
            names = names_in(frame)
            found = list(_counts(code, names))
            if not number and not call.grad and isinstance(made, Tensor) and made.is_floating_point():
                found += _readings(code, names, call.module, frame.f_lineno, made.detach())
            for one in found:
                self._found.setdefault((one.kind, one.line, one.code), one)

    def misreads(self) -> tuple[Misread, ...]:
        """Return what was found."""
        return tuple(self._found.values())


def _readings(code: Code, names: Mapping[str, Any], module: nn.Module, line: int, output: Tensor) -> Iterator[Misread]:
    """Yield what is read wrongly from the output of a module that is called in a line, for an evaluation."""
    calls = [one for one in code.nodes if isinstance(one, ast.Call) and spans(one, line)]
    calls = [one for one in calls if meaning(owner_of(one), names) is module]
    if len(calls) != 1:  # which of several it is, is not known
        return

    def is_it(node: ast.expr) -> bool:
        return call_behind(node, code) is calls[0]

    real, rows = _is_real(output), len(output) if output.ndim == 2 else 0
    for node in code.nodes:
        if (pair := compared(node)) is not None and real and _is_counted(node, code):
            for one, other in (pair, pair[::-1]):
                numbers = numbers_of(other, names)
                if is_it(one) and numbers is not None and _is_real(numbers) and not _is_made(other, code, names):
                    yield _misread("equality", node)
        elif (halved := _above_half(node)) is not None and is_it(halved) and _leaves_unit(output):
            yield _misread("threshold", node)
        elif (chosen := _over_samples(node)) is not None and rows > 1 and rows != output.shape[1] and is_it(chosen):
            if _is_part(chosen, calls[0], code):
                continue
            yield _misread("axis", node, used=rows, wanted=output.shape[1])
        elif (
            (chosen := largest_over_last(node)) is not None
            and output.ndim > 1
            and output.shape[-1] == 1
            and is_it(chosen)
        ):
            if not _is_part(chosen, calls[0], code):
                yield _misread("single", node)
        elif isinstance(node, ast.Call) and _leaves_unit(output):
            yield from _halved_by(node, is_it, names)


def _halved_by(call: ast.Call, is_it: Callable[[ast.expr], bool], names: Mapping[str, Any]) -> Iterator[Misread]:
    """Yield what a function of the person's asks of whether it is above 0.5, where it is given an output as it is."""
    if not any(map(is_it, (*call.args, *(one.value for one in call.keywords)))):
        return
    called = code_called(call, names)
    if called is None:
        return
    code, given = called
    outputs = {name for name, one in given.items() if is_it(one)}
    for node in code.nodes:
        halved = _above_half(node)
        read = None if halved is None else unshaped(halved)
        if isinstance(read, ast.Name) and read.id in outputs:
            yield _misread("threshold", node)


def _is_counted(node: ast.AST, code: Code) -> bool:
    """Return whether the places where a comparison holds are summed up or averaged."""
    above = (one for one in code.above(node) if isinstance(one, ast.Call))
    named = {one.func.attr if isinstance(one.func, ast.Attribute) else getattr(one.func, "id", "") for one in above}
    return bool(named & {"sum", "mean"})


def _is_made(node: ast.expr, code: Code, names: Mapping[str, Any]) -> bool:
    """Return whether a module made the numbers of an expression: outputs are compared to see whether they repeat."""
    called = call_behind(node, code)
    return called is not None and isinstance(meaning(owner_of(called), names), nn.Module)


def _above_half(node: ast.AST) -> ast.expr | None:
    """Return what an expression asks of whether it is above 0.5, as `round` does, too."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Gt | ast.GtE):
        limit = node.comparators[0]
        return node.left if isinstance(limit, ast.Constant) and limit.value == 0.5 else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "round":
        return given_first(node) if len(node.args) <= 1 else None
    return None


def _over_samples(node: ast.AST) -> ast.expr | None:
    """Return what an expression takes the largest index of over its first dimension, or over all of it."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "argmax":
        return None
    dims = dimensions(node)
    over_all = not dims and not node.keywords
    first = len(dims) == 1 and isinstance(dims[0], ast.Constant) and dims[0].value == 0
    return given_first(node) if over_all or first else None


def _is_part(node: ast.expr, call: ast.Call, code: Code) -> bool:
    """Return whether an expression is a part of what a call gave, as one sample or one column."""
    values = [code.value(one) for one in ast.walk(node) if isinstance(one, ast.Name)]
    return any(
        isinstance(one, ast.Subscript) and call_behind(one, code) is call
        for each in (node, *values)
        if each is not None
        for one in ast.walk(each)
    )


def _is_real(numbers: Tensor | np.ndarray) -> bool:
    """Return whether numbers are real ones, of which few are whole."""
    flat = torch.as_tensor(numbers).detach().reshape(-1)[:_NUMBERS]
    if not flat.is_floating_point() or not len(flat):
        return False
    return float((flat != flat.round()).float().mean()) > _REAL


def _leaves_unit(output: Tensor) -> bool:
    """Return whether outputs are no probabilities."""
    return bool(((output < 0) | (output > 1)).any())


def _counts(code: Code, names: Mapping[str, Any]) -> Iterator[Misread]:
    """Yield sums over the samples of a loader that are divided by another number than that of its samples."""
    if any(isinstance(one, ast.Attribute) and one.attr.startswith(("all_reduce", "gather")) for one in code.nodes):
        return  # sums of several processes
    sums = {name: loader for name in code.bound if (loader := _summed_over(name, code, names)) is not None}
    for node in code.nodes:
        divided = _divided(node, code)
        if divided is None:
            continue
        name, divisor = divided
        loader = sums.get(name)
        counted = _counted(divisor, code, names)
        if loader is None or counted is None:
            continue
        samples, used = len(loader.sampler), len(counted)  # type: ignore[arg-type]
        if used != samples:
            yield _misread("count", node, used=used, wanted=samples)


def _summed_over(name: str, code: Code, names: Mapping[str, Any]) -> DataLoader[Any] | None:
    """Return the loader over whose samples the only sum of this name goes."""
    changes = [one for one in code.bound[name] if isinstance(one, ast.AugAssign)]
    adds = [one for one in changes if not isinstance(one.op, ast.Div)]
    if len(adds) != 1 or not isinstance(adds[0].op, ast.Add) or not _counts_samples(adds[0].value):
        return None
    loop = next((one for one in code.above(adds[0]) if isinstance(one, ast.For)), None)
    if loop is None or any(isinstance(one, ast.Break | ast.Continue) for one in ast.walk(loop)):
        return None
    loader = _iterated(loop.iter, code, names)
    plain = isinstance(loader, DataLoader) and isinstance(
        loader.sampler, SequentialSampler | RandomSampler | SubsetRandomSampler
    )
    if not plain or not loader.batch_size or loader.batch_size < 2:
        return None
    return loader


def _counts_samples(value: ast.expr) -> bool:
    """Return whether what is added is a sum over samples: of right answers, or a mean times the number of a batch."""
    if any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div) for one in ast.walk(value)):
        return False
    calls = [one for one in ast.walk(value) if isinstance(one, ast.Call)]
    sums = [one for one in calls if isinstance(one.func, ast.Attribute) and one.func.attr == "sum"]
    if any(compared(part) is not None for one in sums for part in ast.walk(one)):
        return True
    return isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and any(map(_is_size, ast.walk(value)))


def _is_size(node: ast.AST) -> bool:
    """Return whether an expression is the number of samples of a batch."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        return True
    first = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "size"
    return (first and _is_zero(node.args)) or (  # type: ignore[attr-defined]
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "shape"
        and _is_zero([node.slice])
    )


def _is_zero(nodes: list[ast.expr]) -> bool:
    return len(nodes) == 1 and isinstance(nodes[0], ast.Constant) and nodes[0].value == 0


def _iterated(node: ast.expr, code: Code, names: Mapping[str, Any]) -> Any:
    """Return what a loop goes through, without what only counts or shows its turns."""
    while isinstance(node, ast.Call) and node.args:
        called = node.func
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if name not in _WRAPPERS:
            return MISSING
        node = node.args[0]
    if isinstance(node, ast.Name) and isinstance(value := code.value(node), ast.Call):
        inner = _iterated(value, code, names)
        if inner is not MISSING:
            return inner
    return meaning(node, names)


def _divided(node: ast.AST, code: Code) -> tuple[str, ast.expr] | None:
    """Return the name of a sum that an expression divides, and what it divides it by."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
        return None
    above = next(code.above(node), None)
    if isinstance(above, ast.BinOp) and isinstance(above.op, ast.Div | ast.Mult) and not _is_hundred(above, node):
        return None  # a further factor may make the count right
    return None if (name := _of_sum(node.left)) is None else (name, node.right)


def _is_hundred(product: ast.BinOp, part: ast.AST) -> bool:
    """Return whether a product is one of a part with 100, as of percent."""
    other = product.right if product.left is part else product.left
    return isinstance(product.op, ast.Mult) and isinstance(other, ast.Constant) and other.value in (1, 100)


def _of_sum(node: ast.expr) -> str | None:
    """Return the name in an expression that is a name, perhaps as a number of Python or in percent."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("float", "int"):
        return _of_sum(node.args[0]) if len(node.args) == 1 else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(other, ast.Constant) and other.value in (1, 100):
                return _of_sum(one)
        return None
    node = unshaped(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "item":
        node = node.func.value
    return node.id if isinstance(node, ast.Name) else None


def _counted(node: ast.expr, code: Code, names: Mapping[str, Any]) -> Any:
    """Return the loader or data set whose length an expression is; None where it is anything else."""
    if isinstance(node, ast.Name):
        node = code.value(node) or node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "len":
        return None
    counted = node.args[0] if len(node.args) == 1 else node
    if isinstance(counted, ast.Name) and counted.id in code.changed:  # it grows
        return None
    found = meaning(counted, names)
    return found if hasattr(type(found), "__len__") else None


def _misread(kind: str, node: ast.AST, *, used: int = 0, wanted: int = 0) -> Misread:
    return Misread(kind=kind, code=ast.unparse(node), line=getattr(node, "lineno", 0), used=used, wanted=wanted)

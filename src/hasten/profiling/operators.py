"""Time of every operator call of a step, with its shapes and phase."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from hasten.base.device import Device
from hasten.base.records.signals import Operator, product_kind
from hasten.data.batch import Batch
from hasten.machine.precision import product_format
from hasten.measurement.attribution import ModuleScopes
from hasten.measurement.tensors import tensors_in
from hasten.training.marks import BACKWARD, GRADIENT, UPDATE
from hasten.training.session import Session
from hasten.training.step import step

_SHAPES = 6
_ROWS = 100
_AFTER = ("gradient", "update")
_PICKING = ("aten.select", "aten.slice", "aten.index")


class _Call(NamedTuple):
    name: str
    phase: str
    shapes: tuple[tuple[int, ...], ...]  # of the first six tensors
    number_format: str
    arithmetic: str = ""  # where a product multiplies in another format than that of its operands


@dataclass(frozen=True)
class TimedOperators:
    """The operators of a step, those that take longest first; and the seconds of each layer's, forward and backward."""

    operators: tuple[Operator, ...]
    layer_s: dict[str, float]


def operator_times(run: Session, batches: Sequence[Batch]) -> TimedOperators:
    """Time every operator call of some steps.

    Each call is timed from the moment it is dispatched below autograd until it returns; on a GPU, from the device's
    reaching it until it is done. Time between calls (Python, autograd, dispatch) is not attributed. Calls of the same
    operator on the same shapes are one row; rows beyond the hundredth lose their shapes and are joined.

    Args:
        run: warm, not compiled. Its switches must be on.
        batches: at least two; the step on the first one is not watched.
    """
    warming, *watched = batches
    step(run, warming)
    asked = _Asked()
    with ModuleScopes(run.model) as scopes, OperatorTimes(run.recipe.device, scopes, asked) as times, asked:
        for batch in watched:
            step(run, batch, times.mark)
    times.read()
    layers = {name: seconds / len(watched) for name, seconds in times.layers.items()}
    return TimedOperators(_rows(times, len(watched)), layers)


class _Asked(TorchFunctionMode):
    """Counts what Python asks of torch; what a function of torch does inside itself is one with it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count the call and make it."""
        self.count += 1
        return func(*args, **(kwargs or {}))


class OperatorTimes(TorchDispatchMode):
    """Times every operator that runs while this is entered.

    Args:
        device: where the operators run.
        scopes: knows for which module each of them works.
        asked: counts the calls of Python that the operators follow from.
    """

    def __init__(self, device: Device, scopes: ModuleScopes, asked: _Asked) -> None:
        super().__init__()
        self._asked = asked
        self.picks: defaultdict[_Call, set[int]] = defaultdict(set)  # the calls of Python that pick
        self.layers: defaultdict[str, float] = defaultdict(float)
        self._scopes = scopes
        self.phase = "forward"
        self.calls: Counter[_Call] = Counter()
        self.seconds: defaultdict[_Call, float] = defaultdict(float)
        self._device = device
        self._pending: list[tuple[_Call, str, torch.Event, torch.Event]] = []

    def mark(self, part: int) -> None:
        """Follow the marks of the loop."""
        self.phase = {BACKWARD: "gradient", GRADIENT: "update", UPDATE: "forward"}.get(part, self.phase)

    def read(self) -> None:
        """Wait for the device and take its times into account."""
        for call, layer, start, end in self._pending:
            end.synchronize()
            self._add(call, layer, start.elapsed_time(end) * 1e-3)
        self._pending.clear()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and take its time."""
        kwargs = kwargs or {}
        if func.namespace == "profiler":  # notes for a profiler, no work
            return func(*args, **kwargs)
        tensors = list(tensors_in((args, kwargs)))
        name = str(func._overloadpacket)
        number_format = str(tensors[0].dtype).removeprefix("torch.") if tensors else ""
        call = _Call(
            name=name,
            phase=self._phase(),
            shapes=tuple(tuple(tensor.shape) for tensor in tensors[:_SHAPES]),
            number_format=number_format,
            arithmetic=self._arithmetic(name, number_format),
        )
        self.calls[call] += 1
        if name in _PICKING and _along_first(args):
            self.picks[call].add(self._asked.count)
        return self._timed(call, self._scopes.owner(), lambda: func(*args, **kwargs))

    def _arithmetic(self, name: str, number_format: str) -> str:
        """Return the format that a product multiplies in, or "" where it is that of its operands."""
        kind = product_kind(name)
        used = product_format(kind, number_format, self._device.kind) if kind else number_format
        return used if used != number_format else ""

    def _timed(self, call: _Call, layer: str, run: Callable[[], Any]) -> Any:
        if not self._device.is_host:
            start, end = (self._device.event(timing=True) for _ in range(2))
            start.record()
            output = run()
            end.record()
            self._pending.append((call, layer, start, end))
            return output
        begin = perf_counter()
        output = run()
        self._add(call, layer, perf_counter() - begin)
        return output

    def _add(self, call: _Call, layer: str, seconds: float) -> None:
        self.seconds[call] += seconds
        if call.phase not in _AFTER:
            self.layers[layer] += seconds

    def _phase(self) -> str:
        if not self._scopes.in_backward:
            return self.phase
        # activation checkpointing switches gradients on to compute again what it did not keep
        return "recomputation" if torch.is_grad_enabled() else "backward"


def _rows(times: OperatorTimes, steps: int) -> tuple[Operator, ...]:
    ordered = sorted(times.calls, key=lambda call: -times.seconds[call])
    joined: dict[_Call, list[float]] = {}
    for place, call in enumerate(ordered):
        key = call if place < _ROWS else call._replace(shapes=())
        row = joined.setdefault(key, [0.0, 0.0, 0.0])
        row[0] += times.calls[call] / steps
        row[1] += times.seconds[call] / steps
        row[2] += len(times.picks[call]) / steps
    return tuple(
        Operator(
            name=call.name,
            phase=call.phase,
            shapes=call.shapes,
            number_format=call.number_format,
            calls=calls,
            seconds=seconds,
            arithmetic=call.arithmetic,
            picks=picks,
        )
        for call, (calls, seconds, picks) in joined.items()
    )


def _along_first(args: tuple[Any, ...]) -> bool:
    """Return whether a tensor is picked from along its first dimension: by number, or by a list of indices."""
    where = args[1] if len(args) > 1 else 0
    return where == 0 if isinstance(where, int) else where[0] is not None

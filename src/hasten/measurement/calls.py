"""Which operators a step really called, in which number formats and layouts: what torch's profiler records."""

import os
from bisect import bisect_right
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.profiler import profile

PRODUCTS = frozenset(
    {
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "aten::baddbmm",
        "aten::mv",
        "aten::addmv",
        "aten::convolution",
        "aten::convolution_backward",
        "aten::mkldnn_rnn_layer",
        "aten::mkldnn_rnn_layer_backward",
        "aten::_cudnn_rnn",
        "aten::_int_mm",
        "aten::_scaled_mm",
        "mkldnn::_linear_pointwise",
        "mkldnn::_convolution_pointwise",
    }
)
"""Operators that multiply matrices, as the profiler names them; the wrappers that call them are left out."""
_COMPILED = ("CompiledFunction", "## Call CompiledFxGraph")  # a "compiled region" also holds calls that it left alone
_FORMATS = {"float": "float32", "double": "float64", "c10::BFloat16": "bfloat16", "c10::Half": "float16"}
_QUIET = "99"


@dataclass(frozen=True)
class Call:
    """One call of an operator or of an autograd function.

    Args:
        name: as the profiler has it, `aten::mm`.
        formats: number format of each tensor argument; "" for other arguments.
        shapes: of each argument.
        strides: of each argument.
        compiled: whether it ran inside of compiled code.
    """

    name: str
    formats: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]
    compiled: bool


class Recording:
    """Records the calls between `start` and `stop`. It changes no result and costs some microseconds a call."""

    def __init__(self) -> None:
        self._profile = profile(use_cpu=True, record_shapes=True)

    @staticmethod
    def possible() -> bool:
        """Return whether no other profiler is running; torch has one at a time."""
        return not torch.autograd._profiler_enabled()

    def start(self) -> None:
        """Begin to record."""
        with quiet_profiler():
            self._profile.__enter__()

    def stop(self) -> tuple[Call, ...]:
        """Return the calls since `start`, in the order in which they began."""
        with quiet_profiler():
            self._profile.__exit__(None, None, None)
        results: Any = self._profile.kineto_results
        events = sorted(results.events(), key=lambda event: (event.start_ns(), -event.end_ns()))
        return tuple(_calls(events))


@contextmanager
def recorded() -> Generator[list[Call]]:
    """Record the calls of the body; the list is filled when it ends."""
    found, recording = list[Call](), Recording()
    recording.start()
    try:
        yield found
    finally:
        found.extend(recording.stop())


def _calls(events: Sequence[Any]) -> Generator[Call]:
    compiled = _Spans([event for event in events if event.name().startswith(_COMPILED)])
    for place, event in enumerate(events):
        if event.name() in PRODUCTS and _called_again(events, place):
            continue  # autocast converts the arguments and calls the same operator
        yield Call(
            name=event.name(),
            formats=tuple(_FORMATS.get(str(name), str(name or "")) for name in event.dtypes()),
            shapes=tuple(tuple(shape) for shape in event.shapes()),
            strides=tuple(tuple(_numbers(one)) for one in event.structured_input_strides()),
            compiled=compiled.hold(event.start_ns()),
        )


def _called_again(events: Sequence[Any], place: int) -> bool:
    outer = events[place]
    for inner in events[place + 1 :]:
        if inner.start_ns() >= outer.end_ns():
            return False
        if inner.name() == outer.name():
            return True
    return False


def _numbers(value: Any) -> list[int]:
    return [one for one in value if isinstance(one, int)] if isinstance(value, list | tuple) else []


class _Spans:
    """Stretches of time; nested ones are part of the outer one."""

    def __init__(self, events: Sequence[Any]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for event in events:
            if not self._ends or event.start_ns() >= self._ends[-1]:
                self._starts.append(event.start_ns())
                self._ends.append(event.end_ns())

    def hold(self, moment_ns: int) -> bool:
        place = bisect_right(self._starts, moment_ns) - 1
        return place >= 0 and moment_ns < self._ends[place]


@contextmanager
def quiet_profiler() -> Generator[None]:
    """Keep the profiler's own log, which goes to stderr at each start, silent for the body.

    torch reads the level at the first start in a process: that of the first body holds from then on.
    """
    if "KINETO_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["KINETO_LOG_LEVEL"] = _QUIET
    try:
        yield
    finally:
        del os.environ["KINETO_LOG_LEVEL"]

"""Which calls of a step are recorded, from events as torch's profiler has them."""

import os
from dataclasses import dataclass, field

import pytest
import torch

from hasten.measurement.calls import Recording, _calls, _Spans, recorded


@dataclass
class Event:
    """One event of the profiler: name, begin and end."""

    text: str
    start: int
    end: int
    kinds: list[str] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)
    steps: list[object] = field(default_factory=list)

    def name(self):
        return self.text

    def start_ns(self):
        return self.start

    def end_ns(self):
        return self.end

    def dtypes(self):
        return self.kinds

    def shapes(self):
        return self.sizes

    def structured_input_strides(self):
        return self.steps


def names(*events: Event) -> list[str]:
    return [call.name for call in _calls(events)]


def test_a_product_that_calls_itself_again_counts_once():
    """Autocast converts the arguments and calls the same operator."""
    outer, cast, inner = Event("aten::mm", 0, 10), Event("aten::to", 1, 2), Event("aten::mm", 3, 9)
    assert names(outer, cast, inner) == ["aten::to", "aten::mm"]
    assert names(outer, cast) == ["aten::mm", "aten::to"]
    assert names(outer, Event("aten::bmm", 3, 9)) == ["aten::mm", "aten::bmm"]
    assert names(Event("aten::mm", 0, 10), Event("aten::mm", 10, 20)) == ["aten::mm", "aten::mm"]
    assert names(Event("aten::linear", 0, 9), Event("aten::linear", 1, 8)) == ["aten::linear", "aten::linear"]


def test_what_a_call_tells_of_its_arguments():
    event = Event(
        "aten::addmm", 0, 1, ["float", "c10::BFloat16", "", "int", "double", "c10::Half"], [[2], [2, 3]],
        [[1], [3, 1], [], "none", [[1], 2]],
    )  # fmt: skip
    (call,) = _calls([event])
    assert call.formats == ("float32", "bfloat16", "", "int", "float64", "float16")
    assert call.shapes == ((2,), (2, 3))
    assert call.strides == ((1,), (3, 1), (), (), (2,))
    assert not call.compiled


@pytest.mark.parametrize("name", ["CompiledFunction", "CompiledFunctionBackward", "## Call CompiledFxGraph abc ##"])
def test_calls_inside_of_compiled_code_are_marked(name):
    spans = [Event(name, 10, 20), Event(name, 12, 15), Event(name, 30, 40)]
    inside = {9: False, 10: True, 16: True, 19: True, 20: False, 29: False, 30: True, 39: True, 40: False}
    events = sorted([*spans, *(Event("aten::add", at, at + 1) for at in inside)], key=lambda one: one.start)
    compiled = [call.compiled for call in _calls(events) if call.name == "aten::add"]
    assert compiled == list(inside.values())
    assert not _Spans([]).hold(5)
    assert not any(
        call.compiled for call in _calls([Event("Torch-Compiled Region: 0/0", 0, 9), Event("aten::mm", 1, 2)])
    )


def test_the_calls_of_a_body_are_recorded_in_order_with_shapes():
    assert Recording.possible()
    with recorded() as calls:
        assert not Recording.possible()
        torch.ones(2, 3) @ torch.ones(3, 4)
    assert Recording.possible()
    (product,) = [call for call in calls if call.name == "aten::mm"]
    assert product.shapes[:2] == ((2, 3), (3, 4))
    assert product.strides[:2] == ((3, 1), (4, 1))
    assert product.formats[:2] == ("float32", "float32")
    assert calls.index(product) > [call.name for call in calls].index("aten::ones")


@pytest.mark.parametrize("level", [None, "1"])
def test_the_log_of_the_profiler_is_as_it_was(level, monkeypatch):
    monkeypatch.delenv("KINETO_LOG_LEVEL", raising=False)
    with recorded():  # the level of the first start holds for all tests of this process
        pass
    if level is not None:
        monkeypatch.setenv("KINETO_LOG_LEVEL", level)
    with recorded():
        assert os.environ.get("KINETO_LOG_LEVEL") == level
    assert os.environ.get("KINETO_LOG_LEVEL") == level

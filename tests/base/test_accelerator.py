"""Each question about an accelerator goes to torch's function for it, with the device's own name."""

from typing import Any

import pytest
import torch

from hasten.base.device import Device, initialized

QUESTIONS = {
    "synchronize": ("synchronize", None),
    "allocated_bytes": ("memory_allocated", 3),
    "reserved_bytes": ("memory_reserved", 4),
    "peak_allocated_bytes": ("max_memory_allocated", 5),
    "peak_reserved_bytes": ("max_memory_reserved", 6),
    "reset_peaks": ("reset_peak_memory_stats", None),
    "empty_cache": ("empty_cache", None),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_accelerator_is_asked_by_its_name(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, answer = QUESTIONS[question]
    asked: list[Any] = []
    monkeypatch.setattr(torch.accelerator, name, lambda *args: (asked.append(args), answer)[1])
    assert getattr(Device("cuda:1"), question)() == answer
    assert asked == [() if name == "empty_cache" else ("cuda:1",)]
    if question in ("synchronize", "reset_peaks", "empty_cache"):
        getattr(Device("cpu"), question)()
        assert len(asked) == 1, "the CPU has nothing to be asked"


def test_free_memory_and_retries_are_parts_of_what_torch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "get_memory_info", lambda name: (7, 9))
    assert Device("cuda").free_bytes() == 7
    for stats, retries in (({"num_alloc_retries": 2}, 2), ({}, 0)):
        monkeypatch.setattr(torch.accelerator, "memory_stats", lambda name, stats=stats: stats)
        assert Device("cuda").allocation_retries() == retries


@pytest.mark.parametrize("timing", [True, False])
def test_events_are_of_the_device_and_have_a_time_where_asked(timing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "Event", lambda kind, *, enable_timing: (kind, enable_timing))
    assert Device("cuda:1").event(timing=timing) == ("cuda", timing)
    assert Device("cuda:1").event() == ("cuda", False)


@pytest.mark.parametrize(
    ("kind", "used", "found"), [("cuda", True, "cuda"), ("cuda", False, None), (None, True, None), ("mps", None, "mps")]
)
def test_only_an_accelerator_that_was_used_is_initialized(
    kind: str | None, used: bool | None, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = type("Module", (), {} if used is None else {"is_initialized": staticmethod(lambda: used)})
    device = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: device)
    monkeypatch.setattr(torch, "get_device_module", lambda device: module)
    accelerator = initialized()
    assert (accelerator and accelerator.name) == found


def test_names_tell_what_a_device_can_do() -> None:
    assert (Device().name, str(Device("cuda:1"))) == ("cpu", "cuda:1")
    assert [Device(name).is_cuda for name in ("cuda", "cuda:1", "xpu", "cpu")] == [True, True, False, False]

"""Numbers of threads are compared in a process of their own."""

import subprocess
import sys

import pytest
import torch

from hasten.machine import threads as module
from hasten.machine.threads import measure_threads, thread_counts


def test_counts_worth_trying() -> None:
    assert thread_counts(cores=8, threads=16, logical=16) == (1, 4, 8, 16)
    assert thread_counts(cores=1, threads=1, logical=1) == (1,)


def test_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    peaks, note = measure_threads([1], budget_s=0.1)
    assert peaks == []
    assert "failed" in note


def test_time_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", 1.0)

    monkeypatch.setattr(module.subprocess, "run", late)
    assert "not done" in measure_threads([1], budget_s=0.1)[1]


@pytest.mark.slow
def test_sweep_leaves_this_process_alone() -> None:
    before = torch.get_num_threads()
    peaks, note = measure_threads([1, 2], budget_s=1.0)
    assert note == ""
    assert [peak.size for peak in peaks] == [(1,), (2,)]
    assert all(peak.kind == "threads" and peak.rate > 1e8 for peak in peaks)
    assert torch.get_num_threads() == before

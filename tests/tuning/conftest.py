"""Planted techniques, known to the registry while a test asks for them."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from hasten.techniques.registry import techniques

from planted import EVERY, TIME


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in EVERY:
        monkeypatch.setitem(techniques(), kind.card.name, kind)
    monkeypatch.setattr("hasten.tuning.budget.read_clock", TIME.now_ns)
    monkeypatch.setattr("hasten.tuning.budget.alarm", nullcontext)
    monkeypatch.setattr("hasten.tuning.timing.is_foreign", lambda one: False)
    TIME.restart()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the models are tiny; more threads only wait for each other
    yield
    torch.set_num_threads(threads)

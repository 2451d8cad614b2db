"""What is said of a technique that was timed and is not in the plan."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from hasten.base.records.trial import Verdict
from hasten.tuning.search.model import Gain
from hasten.tuning.search.search import Search
from hasten.tuning.trials import left_out


@pytest.mark.parametrize(
    ("low", "high", "verdict", "words"),
    [
        (0.7, 0.9, Verdict.SLOWER, "slower"),
        (0.95, 1.005, Verdict.NO_DIFFERENCE, "no gain above 1.0 %"),
        (1.002, 1.012, Verdict.NO_DIFFERENCE, "no gain above 1.0 %"),
        (0.9, 1.1, Verdict.INCONCLUSIVE, "inconclusive after 3 blocks: budget used up"),
        (1.02, 1.37, Verdict.INCONCLUSIVE, "faster, but the budget ended before a plan with it was proven"),
    ],
)
def test_what_is_said_fits_the_interval(low: float, high: float, verdict: Verdict, words: str) -> None:
    bounds = math.log(low), math.log(high)
    gain = Gain(sum(bounds) / 2, *bounds, likely=0.5, error=0.01)
    search: Any = SimpleNamespace(gain=lambda one: gain, readings=[1, 2, 3])
    search.unclear = lambda one: Search.unclear(search, one)
    assert left_out(search, 0, "1.18x") == (verdict, f"1.18x: {words}")

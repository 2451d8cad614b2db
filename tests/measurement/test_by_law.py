"""Laws that clocks, pairs and intervals keep, whatever their constants."""

import gc
import math
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from hasten.measurement import statistics
from hasten.measurement.clock import DeviceMarks, Marks, marks_of
from hasten.measurement.confidence_sequence import _STAKES, FEWEST_READINGS, ONE_SIDED, fewest_above
from hasten.measurement.paired import timed_pairs


def test_the_clock_of_a_device_is_made_of_events_that_have_a_time():
    asked = []
    event = SimpleNamespace(record=lambda: None)
    device = SimpleNamespace(is_host=False, event=lambda *, timing=False: (asked.append(timing), event)[1])
    assert isinstance(marks_of(device), DeviceMarks)
    assert asked == [True]
    assert isinstance(marks_of(SimpleNamespace(is_host=True)), Marks)


def test_what_a_pair_leaves_is_collected_before_the_next():
    class Cycle:
        pass

    left = []

    def littering(steps):
        cycle = Cycle()
        cycle.itself = cycle
        left.append(weakref.ref(cycle))

    pairs = timed_pairs(littering, lambda steps: None, steps=1, seed=0)
    gc.collect()
    next(pairs)
    first = left.copy()
    assert any(one() is not None for one in first)
    next(pairs)
    assert all(one() is None for one in first)


def exact_fewest(count, level):
    """The number of readings above a center whose wealth, betting on their signs, is 2 / (1 - level), by definition."""
    fair = (1 + ONE_SIDED) / 2
    for above in range(count // 2 + 1, count + 1):
        wealth = 0.0
        for stake in _STAKES.tolist():
            chance = fair + (1 - fair) * stake
            wealth += (chance / fair) ** above * ((1 - chance) / (1 - fair)) ** (count - above) / len(_STAKES)
        if wealth >= 2 / (1 - level):
            return above
    return None


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("count", [1, 5, 7, 8, 9, 12, 30, 75])
def test_a_center_is_excluded_when_a_bet_against_it_has_won_enough(count, level):
    assert fewest_above.__wrapped__(count, level) == exact_fewest(count, level)


def test_stakes_are_shares_and_fewest_readings_are_the_first_that_exclude():
    assert ((_STAKES > 0) & (_STAKES < 1)).all()
    assert exact_fewest(FEWEST_READINGS, 0.95) is not None
    assert exact_fewest(FEWEST_READINGS - 1, 0.95) is None


@pytest.mark.parametrize(("size", "bootstrap"), [(2, False), (9, False), (10, True), (2000, True), (2001, False)])
def test_10_to_2000_values_are_resampled(size, bootstrap, monkeypatch):
    resampled = []
    monkeypatch.setattr(
        statistics, "_bootstrap_bounds", lambda sample, level: (resampled.append(len(sample)), (0, 9))[1]
    )
    statistics.interval_of(np.linspace(1, 2, size))
    assert resampled == ([size] if bootstrap else [])


def test_students_interval_of_few_ratios_by_hand():
    logs = np.array([0.1, 0.3, 0.2, 0.6])
    found = statistics.few_ratios(np.exp(logs).tolist(), level=0.9)
    half = 2.3533634348 * logs.std(ddof=1) / 2  # t of 3 degrees of freedom at 0.95
    assert (found.n, found.level) == (4, 0.9)
    assert math.log(found.value) == pytest.approx(0.3)
    assert math.log(found.high) == pytest.approx(0.3 + half)
    assert math.log(found.low) == pytest.approx(0.3 - half)

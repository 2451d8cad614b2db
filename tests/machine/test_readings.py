"""Readings count only where nothing disturbed them and they agree."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.machine import readings as module
from hasten.machine.readings import STABLE_SPREAD, STRETCH, Timing, host_clock, time_run, timing_of


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Timing]:
    """Time a run whose readings are given as pairs of its seconds and those waited for a core; no nap is real."""

    def timed(readings: Sequence[tuple[float, float]], budget_s: float = 60.0) -> Timing:
        told = iter(readings)
        waited = [0.0, 0.0]  # so far, and in the reading under way

        def clock(run: object, calls: int) -> float:
            seconds, waited[1] = next(told)
            return seconds

        def waited_for_core_s() -> float:
            waited[0], waited[1] = waited[0] + waited[1], 0.0
            return waited[0]

        monkeypatch.setattr(module, "waited_for_core_s", waited_for_core_s)
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
        return time_run(lambda: None, clock=clock, budget_s=budget_s)

    return timed


WARM_UP = [(1e-3, 0.0)] * 2


def test_agreeing_readings_are_stable(replay: Callable[..., Timing]) -> None:
    assert replay([*WARM_UP, *[(2e-3, 0.0)] * STRETCH]) == Timing(seconds=2e-3, spread=0.0, stable=True)


def test_readings_go_on_until_a_stretch_agrees(replay: Callable[..., Timing]) -> None:
    wild = [(1e-3 * (2 + index % 5), 0.0) for index in range(20)]
    assert replay([*WARM_UP, *wild, *[(1e-3, 0.0)] * STRETCH]).seconds == 1e-3


def test_agreement_at_a_slower_pace_is_not_the_end(replay: Callable[..., Timing]) -> None:
    """A quick but unsteady stretch came first: the steady slow one after it is not the machine's own pace."""
    quick = [(1e-3 * (1 + index % 3), 0.0) for index in range(STRETCH)]
    slow, steady = [(9e-3, 0.0)] * STRETCH, [(1e-3, 0.0)] * STRETCH
    assert replay([*WARM_UP, *quick, *slow, *steady]).seconds == 1e-3


def test_disturbed_readings_are_set_aside_though_they_agree(replay: Callable[..., Timing]) -> None:
    waiting = [(8e-3, 1.0), (8e-3, 0.0)] * 10  # each is followed by the unread run that wakes the threads
    assert replay([*WARM_UP, *waiting, *[(1e-3, 0.0)] * STRETCH]) == Timing(seconds=1e-3, spread=0.0, stable=True)


def test_disturbed_to_the_end_is_never_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = iter(float(count) for count in range(10**9))
    monkeypatch.setattr(module, "waited_for_core_s", lambda: next(waited))
    timing = time_run(lambda: None, clock=lambda run, calls: 8e-3, budget_s=0.2)
    assert timing == Timing(seconds=8e-3, spread=0.0, stable=False)


def test_too_few_readings_are_never_stable() -> None:
    assert not timing_of([2.0] * (STRETCH - 1)).stable
    assert timing_of([2.0] * STRETCH).stable


def test_stops_when_the_budget_is_spent() -> None:
    wild = iter(range(10**9))
    started = time.perf_counter()
    timing = time_run(lambda: None, clock=lambda run, calls: 1e-3 * 2 ** (next(wild) % 5), budget_s=0.1)
    assert time.perf_counter() - started < 5.0
    assert not timing.stable


def test_two_runs_are_all_where_more_would_be_too_long() -> None:
    calls: list[int] = []
    timing = time_run(lambda: None, clock=lambda run, count: calls.append(count) or 1.0, budget_s=2.0)
    assert timing == Timing(seconds=1.0, spread=0.0, stable=False)
    assert calls == [1, 1]


def test_short_runs_are_read_many_at_a_time() -> None:
    counts: list[int] = []
    time_run(lambda: None, clock=lambda run, calls: counts.append(calls) or 1e-6, budget_s=1.0)
    assert max(counts) in (500, 501)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=STRETCH), st.floats(1e-3, 1e3))
def test_spread_is_half_the_middle_half_over_the_median(seconds: list[float], unit: float) -> None:
    low, high = np.quantile(seconds, [0.25, 0.75])
    timing = timing_of([unit * value for value in seconds])
    assert timing.seconds == pytest.approx(unit * np.median(seconds))
    assert timing.spread == pytest.approx((high - low) / 2 / np.median(seconds), rel=1e-9, abs=1e-9)
    assert timing.stable == (len(seconds) == STRETCH and timing.spread <= STABLE_SPREAD)


def test_a_real_sleep_is_timed() -> None:
    assert host_clock(lambda: time.sleep(0.005), 4) >= 0.005

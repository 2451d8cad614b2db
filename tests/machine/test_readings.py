"""Readings count only where nothing disturbed them and they agree."""

import statistics
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.machine import readings as module
from hasten.machine.readings import STABLE_SPREAD, STRETCH, Reading, host_clock, read, summarise, take_readings


def _quiet(*seconds: float) -> list[Reading]:
    return [Reading(value) for value in seconds]


def test_agreeing_readings_are_stable() -> None:
    timing = summarise(_quiet(*[2.0] * STRETCH))
    assert (timing.seconds, timing.spread, timing.stable) == (2.0, 0.0, True)


def test_too_few_readings_are_never_stable() -> None:
    assert not summarise(_quiet(*[2.0] * (STRETCH - 1))).stable


def test_quietest_stretch_counts() -> None:
    busy, quiet = [3.0] * STRETCH, [1.0] * STRETCH
    assert summarise(_quiet(*busy, *quiet, *busy)).seconds == 1.0


def test_disturbed_readings_that_agree_are_not_believed() -> None:
    waiting = [Reading(8e-3, waited=0.9)] * (3 * STRETCH)
    assert not summarise(waiting).stable
    timing = summarise([*waiting, *_quiet(*[1e-3] * STRETCH)])
    assert timing.seconds == 1e-3
    assert timing.stable


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=STRETCH))
def test_spread_is_half_the_middle_half_over_the_median(seconds: list[float]) -> None:
    low, high = np.quantile(seconds, [0.25, 0.75])
    expected = (high - low) / 2 / np.median(seconds)
    assert summarise(_quiet(*seconds)).spread == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=STRETCH, max_size=30), st.floats(1e-3, 1e3))
def test_timing_scales_with_the_unit(seconds: list[float], unit: float) -> None:
    one, other = summarise(_quiet(*seconds)), summarise(_quiet(*(unit * value for value in seconds)))
    assert other.seconds == pytest.approx(unit * one.seconds)
    assert other.spread == pytest.approx(one.spread, abs=1e-9)
    assert one.seconds == min(
        statistics.median(seconds[start : start + STRETCH]) for start in range(len(seconds) - STRETCH + 1)
    )


def test_stops_as_soon_as_a_stretch_agrees() -> None:
    found = take_readings(lambda: None, clock=lambda run, calls: 1e-3, budget_s=60.0)
    assert STRETCH <= len(found) < 10 * STRETCH  # a busy machine may disturb some, a quiet one none
    assert summarise(found).stable


def test_stops_when_the_budget_is_spent() -> None:
    rising = iter(range(1, 10**9))
    started = time.perf_counter()
    found = take_readings(lambda: None, clock=lambda run, calls: 1e-3 * 2 ** (next(rising) % 10), budget_s=0.1)
    assert time.perf_counter() - started < 5.0
    assert len(found) >= 2


def test_gives_up_when_the_first_run_is_too_long() -> None:
    calls: list[int] = []
    found = take_readings(lambda: None, clock=lambda run, count: calls.append(count) or 1.0, budget_s=2.0)
    assert found == []
    assert calls == [1]


def test_short_runs_are_read_many_at_a_time() -> None:
    counts: list[int] = []

    def clock(run: object, calls: int) -> float:
        counts.append(calls)
        return 1e-6

    take_readings(lambda: None, clock=clock, budget_s=1.0)
    assert max(counts) in (500, 501)


def test_naps_after_a_disturbed_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    waited = iter([0.0, 1.0, *[1.0] * 1000])  # the first reading waits a second, the others do not
    monkeypatch.setattr(module, "waited_for_core_s", lambda: next(waited))
    monkeypatch.setattr(module.time, "sleep", naps.append)
    found = take_readings(lambda: None, clock=lambda run, calls: 1e-3, budget_s=60.0)
    assert len(naps) == 1
    assert len(found) == STRETCH + 1


def test_reading_tells_how_long_the_process_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = iter([1.0, 1.5])
    monkeypatch.setattr(module, "waited_for_core_s", lambda: next(waited))
    reading = read(lambda: time.sleep(0.01), host_clock, 2)
    assert reading.seconds >= 0.01
    assert reading.waited > 1.0


def test_a_real_sleep_is_timed() -> None:
    assert host_clock(lambda: time.sleep(0.005), 4) >= 0.005
    assert 0.0 < STABLE_SPREAD < 0.2

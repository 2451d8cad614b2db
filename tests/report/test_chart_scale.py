import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.report.charts.scale import Scale, log_padded, log_ticks, padded, round_ticks, spans_decades, tick_words

lows = st.floats(-1e6, 1e6)
spans = st.floats(1e-3, 1e6)


@settings(max_examples=60, deadline=None)
@given(lows, spans, st.integers(2, 9))
def test_round_ticks_lie_on_the_axis_evenly_and_are_few(low: float, span: float, most: int) -> None:
    high = low + span
    ticks = round_ticks(low, high, most)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else span
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in ticks)
    assert all(math.isclose(b - a, step, rel_tol=1e-6, abs_tol=1e-9) for a, b in itertools.pairwise(ticks))


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e9), st.integers(3, 9))
def test_log_ticks_rise_within_the_axis_and_are_few(low: float, ratio: float, most: int) -> None:
    ticks = log_ticks(low, low * ratio, most)
    assert 1 <= len(ticks) <= most + 1
    assert ticks == sorted(ticks)
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)


@pytest.mark.parametrize("log", [False, True])
def test_a_scale_keeps_order_and_ends(log: bool) -> None:
    scale = Scale(1.0, 100.0, 300.0, 0.0, log=log)
    assert scale.place(1.0) == 300.0
    assert scale.place(100.0) == 0.0
    assert scale.place(1000.0) == 0.0, "beyond the axis is drawn at its end"
    places = [scale.place(value) for value in (1, 3, 10, 50, 100)]
    assert places == sorted(places, reverse=True)
    assert scale.place(10.0) == pytest.approx(150.0 if log else 300 - 300 * 9 / 99)


def test_padding_leaves_room_also_around_a_single_value() -> None:
    low, high = padded([2.0, 4.0], 0.1)
    assert (low, high) == pytest.approx((1.8, 4.2))
    low, high = padded([3.0])
    assert low < 3.0 < high
    low, high = padded([0.0])
    assert low < 0.0 < high
    low, high = log_padded([0.5, 2.0])
    assert 0 < low < 0.5
    assert high > 2.0
    assert low * high == pytest.approx(1.0)


def test_only_positive_values_far_apart_ask_for_a_logarithmic_axis() -> None:
    assert spans_decades([0.01, 2.0])
    assert not spans_decades([0.1, 2.0])
    assert not spans_decades([0.0, 100.0])
    assert not spans_decades([-1.0, 100.0])


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0"), (1.0, "1"), (0.5, "0.5"), (150.0, "150"), (20_000.0, "20,000"), (2e6, "2e6")]
)
def test_ticks_are_said_shortly(value: float, words: str) -> None:
    assert tick_words(value) == words

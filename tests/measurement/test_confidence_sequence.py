"""The confidence sequence keeps its coverage for noise of any shape, and sees effects soon."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hasten.measurement.confidence_sequence import FEWEST_READINGS, ONE_SIDED, ConfidenceSequence, fewest_above

LOOKS = 100
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def misses(draw: Draw, *, center: float, looks: int = LOOKS, sequences: int = 300) -> float:
    """Return the share of sequences that exclude the true center at any of the looks."""
    wrong = 0
    for index in range(sequences):
        sequence = ConfidenceSequence()
        for reading in draw(np.random.default_rng([7, index]), looks):
            sequence.add(float(reading))
            low, high = sequence.bounds()
            if not low <= center <= high:
                wrong += 1
                break
    return wrong / sequences


def normal(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return rng.normal(0.0, 0.02, n)


def coin_times_drifting_outliers(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """What a random order makes of a machine that slows down, remembers and hiccups: only the sign is fair."""
    size = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.2, n))) + np.where(rng.random(n) < 0.05, 3.0, 0.0)
    return rng.choice([-1.0, 1.0], n) * size


def cauchy_off_zero(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return 0.1 + 0.02 * rng.standard_cauchy(n)


def one_sided(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Exponential: nothing below zero, and a tail above; the median is ln 2 of the scale."""
    return rng.exponential(0.02, n)


def skewed(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return 0.02 * rng.lognormal(0.0, 1.0, n)


def hiccups_of_one_side(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Normal, but side a is interrupted in 5 % of the pairs."""
    return rng.normal(0.0, 0.02, n) + np.where(rng.random(n) < ONE_SIDED, 0.2 * rng.random(n), 0.0)


CASES = [
    (normal, 0.0),
    (coin_times_drifting_outliers, 0.0),
    (cauchy_off_zero, 0.1),
    (one_sided, 0.02 * math.log(2)),
    (skewed, 0.02),
    (hiccups_of_one_side, 0.0),
]


@pytest.mark.parametrize(("draw", "center"), CASES)
def test_looking_again_and_again_excludes_the_truth_in_at_most_5_percent(draw: Draw, center: float) -> None:
    assert misses(draw, center=center) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "center"), CASES)
def test_coverage_holds_over_500_looks(draw: Draw, center: float) -> None:
    assert misses(draw, center=center, looks=500, sequences=2000) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_a_t_interval_looked_at_as_often_would_be_wrong_far_more_often() -> None:
    wrong = 0
    for index in range(200):
        readings = normal(np.random.default_rng([7, index]), LOOKS)
        n = np.arange(1, LOOKS + 1)
        mean = np.cumsum(readings) / n
        error = np.sqrt(np.maximum(np.cumsum(readings**2) / n - mean**2, 1e-12) / np.maximum(n - 1, 1))
        wrong += bool((np.abs(mean) > 1.97 * error)[9::3].any())
    assert wrong / 200 > 0.15


@given(st.lists(st.floats(-1.0, 1.0), min_size=FEWEST_READINGS, max_size=60))
def test_bounds_are_readings_around_the_median_and_mirror_with_the_sign(readings: list[float]) -> None:
    sequence, mirrored = ConfidenceSequence(), ConfidenceSequence()
    for reading in readings:
        sequence.add(reading)
        mirrored.add(-reading)
    low, high = sequence.bounds()
    assert {low, high} <= set(readings)
    assert low <= np.median(readings) <= high
    assert mirrored.bounds() == (-high, -low)


@given(st.integers(FEWEST_READINGS, 400))
def test_a_fair_coin_reaches_the_needed_number_too_seldom_to_miss_more_than_promised(count: int) -> None:
    """At a single look the exact binomial tail must lie below half of 5 %: the price of looking always."""
    needed = fewest_above(count)
    assert needed is not None
    fair = (1 + ONE_SIDED) / 2
    tail = sum(math.comb(count, k) * fair**k * (1 - fair) ** (count - k) for k in range(needed, count + 1))
    assert tail <= 0.025
    assert needed <= (fewest_above(count + 1) or 0) <= needed + 1


def test_nothing_is_excluded_before_eight_readings() -> None:
    sequence = ConfidenceSequence(reach=2.0)
    for _ in range(FEWEST_READINGS - 1):
        sequence.add(0.5)
    assert sequence.bounds() == (-2.0, 2.0)
    sequence.add(0.5)
    assert sequence.bounds() == (0.5, 0.5)
    assert FEWEST_READINGS == 8


@pytest.mark.parametrize(("sigma", "effect", "most"), [(0.01, 0.03, 14), (0.02, 0.06, 14), (0.05, 0.1, 18)])
def test_an_effect_of_a_few_deviations_is_seen_within_few_readings(sigma: float, effect: float, most: int) -> None:
    needed = []
    for index in range(20):
        rng, sequence = np.random.default_rng(index), ConfidenceSequence()
        for n in range(1, 60):
            sequence.add(float(rng.normal(effect, sigma)))
            if sequence.bounds()[0] > 0.01:
                needed.append(n)
                break
        else:
            pytest.fail("not seen within 60 readings")
    assert np.median(needed) <= most


def test_one_wild_reading_costs_little() -> None:
    calm, struck = ConfidenceSequence(), ConfidenceSequence()
    readings = np.random.default_rng(3).normal(0.05, 0.01, 25)
    for n, reading in enumerate(readings):
        calm.add(float(reading))
        struck.add(-5.0 if n == 12 else float(reading))
    assert struck.bounds()[0] > calm.bounds()[0] - 0.01

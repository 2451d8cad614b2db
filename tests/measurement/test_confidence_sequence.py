import itertools
import math

import numpy as np
import pytest

from hasten.measurement.confidence_sequence import ConfidenceSequence, log_wealth

LOOKS = 100
SEQUENCES = 200


def _wrong_exclusions(draw, *, center):
    """The share of sequences that exclude the true center at any of the looks."""
    threshold = math.log(2 / 0.05)
    wrong = 0
    for index in range(SEQUENCES):
        sequence = ConfidenceSequence()
        readings = draw(np.random.default_rng([7, index]), LOOKS)
        for reading in readings:
            sequence.add(float(reading))
        scales = np.array(sequence._scales)
        wrong += any(
            log_wealth(side[:n], scales[:n], center=middle) >= threshold
            for n in range(6, LOOKS, 3)
            for side, middle in ((readings, center), (-readings, -center))
        )
    return wrong / SEQUENCES


def _normal(rng, n):
    return rng.normal(0.0, 0.02, n)


def _coin_times_drifting_outliers(rng, n):
    """What a randomized order makes of a machine that slows down, remembers and hiccups: only the sign is fair."""
    size = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.2, n))) + np.where(rng.random(n) < 0.05, 3.0, 0.0)
    return rng.choice([-1.0, 1.0], n) * size


def _cauchy_off_zero(rng, n):
    return 0.1 + 0.02 * rng.standard_cauchy(n)


@pytest.mark.parametrize(
    ("draw", "center"), [(_normal, 0.0), (_coin_times_drifting_outliers, 0.0), (_cauchy_off_zero, 0.1)]
)
def test_looking_again_and_again_excludes_the_truth_in_at_most_5_percent(draw, center):
    assert _wrong_exclusions(draw, center=center) <= 0.05


def test_a_t_interval_looked_at_as_often_would_be_wrong_far_more_often():
    wrong = 0
    for index in range(SEQUENCES):
        readings = _normal(np.random.default_rng([7, index]), LOOKS)
        n = np.arange(1, LOOKS + 1)
        mean = np.cumsum(readings) / n
        error = np.sqrt(np.maximum(np.cumsum(readings**2) / n - mean**2, 1e-12) / np.maximum(n - 1, 1))
        wrong += bool((np.abs(mean) > 1.97 * error)[9::3].any())
    assert wrong / SEQUENCES > 0.15


def test_bounds_are_where_the_wealth_reaches_the_threshold():
    sequence = ConfidenceSequence()
    readings = np.random.default_rng(0).normal(0.05, 0.02, 30)
    for reading in readings:
        sequence.add(float(reading))
    low, high = sequence.bounds()
    scales = np.array(sequence._scales)
    assert log_wealth(readings, scales, center=low) == pytest.approx(math.log(40), abs=1e-6)
    assert log_wealth(-readings, scales, center=-high) == pytest.approx(math.log(40), abs=1e-6)
    assert low < 0.05 < high


def test_wealth_falls_as_the_center_rises():
    readings, scales = np.random.default_rng(1).normal(0, 1, 20), np.ones(20)
    wealth = [log_wealth(readings, scales, center=center) for center in np.linspace(-2, 2, 50)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(wealth))


def test_nothing_is_excluded_before_six_readings():
    sequence = ConfidenceSequence(reach=2.0)
    for _ in range(5):
        sequence.add(0.5)
    assert sequence.bounds() == (-2.0, 2.0)
    sequence.add(0.5)
    sequence.add(0.5)
    assert 0 < sequence.bounds()[0] <= 0.5


@pytest.mark.parametrize(("sigma", "effect", "most"), [(0.01, 0.03, 14), (0.02, 0.06, 14), (0.05, 0.1, 16)])
def test_an_effect_of_a_few_deviations_is_seen_within_few_readings(sigma, effect, most):
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


def test_one_wild_reading_costs_little():
    calm, struck = ConfidenceSequence(), ConfidenceSequence()
    readings = np.random.default_rng(3).normal(0.05, 0.01, 25)
    for n, reading in enumerate(readings):
        calm.add(float(reading))
        struck.add(-5.0 if n == 12 else float(reading))
    assert struck.bounds()[0] > calm.bounds()[0] - 0.01

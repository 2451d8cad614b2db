import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hasten.base.errors import BadInput
from hasten.base.seeds import random_state
from hasten.measurement import statistics
from hasten.measurement.statistics import (
    geometric_mean,
    growth_exponent,
    interval_of,
    ratio_interval,
    ratio_of_known_noise,
    trimmed_mean,
)

samples = st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=2, max_size=14)


@settings(max_examples=40, deadline=None)
@given(values=samples)
def test_an_interval_holds_its_estimate_and_stays_in_order(values):
    found = interval_of(values)
    assert found.low <= found.value <= found.high
    assert found.n == len(values)


@settings(max_examples=20, deadline=None)
@given(values=samples, shift=st.sampled_from([-256.0, 64.0]), scale=st.sampled_from([0.25, 8.0]))
def test_interval_follows_a_change_of_unit(values, shift, scale):
    plain = interval_of(values)
    moved = interval_of(np.asarray(values) * scale + shift)
    tolerance = 1e-6 * (abs(shift) + scale * max(1.0, np.abs(values).max()))
    assert moved.value == pytest.approx(plain.value * scale + shift, abs=tolerance)


@pytest.mark.parametrize("n", [2, 3, 9, 10, 11, 40, 3000])
def test_constant_sample_has_an_interval_of_no_width(n):
    found = interval_of([0.1] * n)
    assert (found.value, found.low, found.high) == (0.1, 0.1, 0.1)


@pytest.mark.parametrize("n", [5, 9, 10, 11, 24])
def test_one_odd_value_among_equal_ones_gives_finite_bounds(n):
    found = interval_of([1.0] * (n - 1) + [100.0])
    assert found.value == 1.0
    assert found.low <= 1.0 <= found.high < math.inf


def test_few_values_of_which_all_but_one_are_equal_leave_a_doubt():
    assert interval_of([1.0, 1.0, 1.0, 1.0, 2.0]).high > 1.1


@pytest.mark.parametrize(
    ("n", "repetitions", "tails"),
    [
        *((n, 600, tails) for n in (2, 5, 9) for tails in (2, 30)),
        *((10, 300, 30), (25, 300, 2)),
        *(pytest.param(n, 300, tails, marks=pytest.mark.slow) for n, tails in ((10, 2), (25, 30))),
    ],
)
def test_interval_covers_the_truth_as_often_as_it_says(n, repetitions, tails):
    draws = stats.t.rvs(tails, size=(repetitions, n), random_state=np.random.default_rng(n))
    hits = sum(found.low <= 0 <= found.high for found in map(interval_of, draws))
    # 4 standard errors under the nominal level
    assert hits / repetitions > 0.95 - 4 * math.sqrt(0.95 * 0.05 / repetitions)


def test_wild_readings_do_not_move_the_estimate():
    calm = np.linspace(0.9, 1.1, 20)
    wild = calm.copy()
    wild[[3, 17]] = 50.0
    assert interval_of(wild).value == pytest.approx(1.0, abs=0.05)


def test_the_same_values_give_the_same_interval_and_no_generator_moves():
    values = np.random.default_rng(1).lognormal(size=30)
    before = random_state()
    first = interval_of(values)
    after = random_state()
    np.random.seed(5)
    random.seed(5)
    torch.manual_seed(5)
    assert interval_of(values) == first
    assert torch.equal(before.pop("torch"), after.pop("torch"))
    assert torch.equal(before["numpy"].pop("keys"), after["numpy"].pop("keys"))
    assert before == after


def test_the_estimate_is_the_trimmed_mean_of_scipy():
    values = np.random.default_rng(2).normal(size=23)
    assert trimmed_mean(values) == pytest.approx(stats.trim_mean(values, statistics.TRIMMED_SHARE))


def test_ratio_interval_is_the_exponential_of_the_interval_of_logs():
    logs = np.random.default_rng(3).normal(0.1, 0.02, size=12)
    ratio, log = ratio_interval(logs), interval_of(logs)
    assert (ratio.value, ratio.low, ratio.high) == (math.exp(log.value), math.exp(log.low), math.exp(log.high))


def test_geometric_mean_of_a_gain_and_its_inverse_is_one():
    assert geometric_mean([4.0, 0.25]) == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(exponent=st.floats(-1.0, 3.0), factor=st.floats(1e-9, 1e3))
def test_growth_exponent_of_an_exact_power_law(exponent, factor):
    sizes = [1.0, 2.0, 4.0, 16.0]
    found = growth_exponent(sizes, [factor * size**exponent for size in sizes])
    assert found.value == pytest.approx(exponent, abs=1e-6)
    assert found.high - found.low < 1e-5


def test_growth_exponent_is_the_slope_of_scipy():
    rng = np.random.default_rng(5)
    sizes, costs = rng.uniform(1, 100, 7), rng.uniform(1, 100, 7)
    fit = stats.linregress(np.log(sizes), np.log(costs))
    found = growth_exponent(sizes.tolist(), costs.tolist(), level=0.9)
    assert found.value == pytest.approx(fit.slope)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.95, 5) * fit.stderr)


def test_growth_exponent_interval_covers_the_truth():
    rng = np.random.default_rng(4)
    sizes = np.geomspace(64, 1024, 5)
    hits = 0
    for _ in range(200):
        found = growth_exponent(sizes.tolist(), (sizes**2 * rng.lognormal(0, 0.05, 5)).tolist())
        hits += found.low <= 2 <= found.high
    assert 0.9 < hits / 200 < 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval_of([1.0]), "at least 2"),
        (lambda: interval_of([]), "at least 2"),
        (lambda: interval_of([1.0, math.nan]), "position 1 of 2"),
        (lambda: interval_of([1.0, 2.0], level=1.0), "level"),
        (lambda: geometric_mean([1.0, 0.0]), "positive"),
        (lambda: growth_exponent([1, 2, 3], [1, 2]), "at least 3"),
        (lambda: growth_exponent([1, 2, 3, 4], [1, 2, 3]), "as many"),
        (lambda: growth_exponent([2, 2, 2], [1, 2, 3]), "all be equal"),
    ],
)
def test_unusable_input_is_told(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def test_robust_sigma_of_normal_noise_with_outliers():
    values = np.random.default_rng(6).normal(0, 2.0, 2000)
    values[:100] = 1e6
    assert statistics.robust_sigma(values) == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize(("sigma", "least"), [(0.05, 0.93), (0.025, 0.87), (0.1, 0.96)])
def test_few_pairs_of_known_noise_cover_the_truth_and_are_told_more_exactly(sigma, least):
    generator = np.random.default_rng(3)
    samples = 0.1 + 0.05 * generator.standard_normal((400, 5))
    found = [ratio_of_known_noise(sample, sigma=sigma, count=4) for sample in samples]
    assert np.mean([one.low <= np.exp(0.1) <= one.high for one in found]) >= least
    alone = [ratio_interval(sample) for sample in samples]
    if sigma <= 0.05:
        assert np.mean([one.high - one.low for one in found]) < 0.8 * np.mean([one.high - one.low for one in alone])

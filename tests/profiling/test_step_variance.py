import gc

import numpy as np
import pytest

from hasten.profiling.step_variance import collector_watched, step_spread


def test_regular_outliers_have_a_period_and_a_price() -> None:
    totals = np.full(200, 0.01)
    totals[10::20] = 0.05
    spread = step_spread(totals, collector_s=0.0)
    assert spread.outliers == 10
    assert spread.period == 20
    assert spread.excess_share == pytest.approx(10 * 0.04 / totals.sum())
    assert spread.median_s == 0.01


def test_outliers_without_a_rhythm_have_no_period() -> None:
    totals = np.full(300, 0.01)
    totals[[3, 11, 90, 101, 250]] = 0.08
    assert step_spread(totals, collector_s=0.0).period is None


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
def test_a_crowd_of_slow_steps_at_random_has_no_period(share: float) -> None:
    for seed in range(20):
        totals = np.where(np.random.default_rng(seed).random(400) < share, 0.03, 0.01)
        totals[:220] = 0.01  # so that the median is a usual step
        assert step_spread(totals, collector_s=0.0).period is None


def test_ordinary_noise_is_no_outlier() -> None:
    totals = np.random.default_rng(0).normal(0.01, 0.0002, 500)
    spread = step_spread(totals, collector_s=0.0)
    assert spread.outliers <= 1
    assert spread.p99_s / spread.median_s < 1.1


def test_the_garbage_collectors_time_is_added_up() -> None:
    callbacks = len(gc.callbacks)
    with collector_watched() as spent:
        assert spent.seconds == 0.0
        gc.collect()
    assert 0 < spent.seconds < 10
    assert len(gc.callbacks) == callbacks

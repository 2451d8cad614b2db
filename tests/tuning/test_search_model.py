"""The linear model and the choice of settings, against plain twins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from hasten.tuning.search.design import next_group
from hasten.tuning.search.factors import NONE, Factor, Factors, Setting
from hasten.tuning.search.model import CLIP, LEAST_INTERACTION, MAIN_SD, Model, Readings, always_valid, difference


def readings(gains: list[float], *, groups: int, noise: float, seed: int) -> Readings:
    random = np.random.default_rng(seed)
    found = Readings()
    for group in range(groups):
        load = random.normal(0, 0.5)
        for _ in range(4):
            on = frozenset(np.flatnonzero(random.random(len(gains)) < 0.5).tolist())
            found.add(on, group, load - sum(gains[one] for one in on) + noise * random.normal())
    return found


def by_dummies(model: Model, found: Readings, weights: np.ndarray, noise: float, interaction: float) -> np.ndarray:
    """Return the effects by least squares with a column for each group: the plain twin of the model's fit."""
    rows = model.rows(found.settings)
    dummies = np.eye(max(found.groups) + 1)[found.groups]
    both = np.hstack([rows, dummies]) * np.sqrt(weights)[:, None]
    priors = [noise / MAIN_SD] * model.factors + [noise / interaction] * len(model.pairs)
    prior = np.hstack([np.diag(priors), np.zeros((len(priors), dummies.shape[1]))])
    target = np.concatenate([-np.array(found.logs) * np.sqrt(weights), np.zeros(len(priors))])
    return np.linalg.lstsq(np.vstack([both, prior]), target, rcond=None)[0][: rows.shape[1]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 4))
def test_the_fit_is_that_of_least_squares_with_a_column_for_each_group(seed: int, count: int) -> None:
    model = Model(count, [NONE] * count)
    found = readings([0.0] * count, groups=8, noise=0.01, seed=seed)  # no effects: interactions keep the least prior
    fit = model.fit(found)
    rows, logs, groups = model.rows(found.settings), -np.array(found.logs), np.array(found.groups)
    left = logs - rows @ fit.mean
    weights = np.ones(len(found))
    for _ in range(50):  # the effects of the groups, then the weights, until nothing changes
        means = np.array([np.average(left[groups == one], weights=weights[groups == one]) for one in range(8)])
        weights = CLIP / np.maximum(np.abs(left - means[groups]) / fit.noise, CLIP)
    twin = by_dummies(model, found, weights, fit.noise, LEAST_INTERACTION)
    assert fit.mean == pytest.approx(twin, abs=0.15 * fit.noise)


def test_foreign_load_on_single_blocks_hardly_moves_the_effects() -> None:
    clean = readings([0.1, 0.0], groups=20, noise=0.01, seed=1)
    hit = Readings(clean.settings, clean.groups, [one + 1.0 * (k % 10 == 3) for k, one in enumerate(clean.logs)])
    model = Model(2, [NONE, NONE])
    for one, true in enumerate((0.1, 0.0)):
        gain = model.fit(hit).gain(difference(model, frozenset({one})))
        assert gain.low < true < gain.high
        assert abs(gain.value - true) < 0.015


def test_an_interaction_is_learned_where_both_factors_have_an_effect() -> None:
    found = readings([0.3, 0.3], groups=30, noise=0.01, seed=2)
    both = frozenset({0, 1})
    logs = [log + 0.3 * (setting == both) for log, setting in zip(found.logs, found.settings, strict=True)]
    model = Model(2, [NONE, NONE])
    fit = model.fit(Readings(found.settings, found.groups, logs))  # each makes the other pointless
    assert fit.gain(difference(model, frozenset({0}))).value == pytest.approx(0.3, abs=0.02)
    assert fit.gain(difference(model, both, frozenset({0}))).value == pytest.approx(0.0, abs=0.02)


def test_nothing_is_certain_after_one_group_and_the_interval_narrows() -> None:
    model = Model(1, [NONE])
    few, many = (
        model.fit(readings([0.5], groups=count, noise=0.01, seed=4)).gain(difference(model, frozenset({0})))
        for count in (1, 20)
    )
    assert math.isinf(few.half) or few.half > 0.05
    assert many.half < 0.02


def test_an_interval_that_holds_at_all_times_is_wider_than_one_that_holds_once() -> None:
    reaches = [always_valid(free) for free in (5.0, 10.0, 20.0, 50.0, 200.0)]
    assert all(reach > ndtri(0.975) + 0.9 for reach in reaches)
    assert reaches[0] > reaches[1] > reaches[2]
    assert min(reaches) < 3.5


FACTORS = Factors(
    [
        Factor("a", conflicts=frozenset({1})),
        Factor("b"),
        Factor("c", company=frozenset({3})),
        Factor("d"),
        Factor("e", pointless_beside=frozenset({3})),
    ]
)


@given(start=st.lists(st.integers(0, 4), max_size=8))
def test_whatever_is_toggled_conflicts_stay_apart_and_company_stays_together(start: list[int]) -> None:
    setting: Setting = NONE
    for one in start:
        before = setting
        setting = FACTORS.toggled(setting, one)
        assert (one in setting) is (one not in before)
        assert not {0, 1} <= setting
        assert 2 not in setting or 3 in setting


def test_what_cannot_gain_beside_another_is_known() -> None:
    assert FACTORS.pointless(4, {0, 3}) == 3
    assert FACTORS.pointless(4, {0}) is None


def variance_after(model: Model, fit_cov: np.ndarray, noise: float, group: list[Setting], asked: np.ndarray) -> float:
    """Return the variance of a difference after a group, with the group's own level as an unknown: the plain twin."""
    rows = np.hstack([model.rows(group), np.ones((len(group), 1))])
    prior = np.linalg.inv(np.block([
        [fit_cov, np.zeros((len(fit_cov), 1))], [np.zeros((1, len(fit_cov))), np.full((1, 1), 1e6)],
    ]))  # fmt: skip
    after = np.linalg.inv(prior + rows.T @ rows / noise**2)
    contrast = np.append(asked, 0.0)
    return float(contrast @ after @ contrast)


def test_the_group_that_is_chosen_beats_random_ones() -> None:
    model = Model(3, [NONE] * 3)
    fit = model.fit(readings([0.1, 0.0, 0.05], groups=2, noise=0.02, seed=5))
    every = [frozenset(k for k in range(3) if code >> k & 1) for code in range(8)]
    plan = frozenset({0, 2})
    asked = [difference(model, plan ^ {one}, plan) for one in range(3)]
    random = np.random.default_rng(0)

    def left(group: list[Setting]) -> float:
        return sum(variance_after(model, fit.cov, fit.noise, group, one) for one in asked)

    chosen = left(next_group(fit, model, [(one, 1.0) for one in asked], every, lambda _: 1.0, random))
    others = [left([every[int(one)] for one in random.choice(8, 4, replace=False)]) for _ in range(40)]
    assert chosen <= np.quantile(others, 0.1)


def test_two_of_which_either_does_all_are_not_taken_for_blocks_that_went_wrong() -> None:
    model, readings = Model(4, [frozenset()] * 4), Readings()
    groups: list[list[tuple[set[int], float]]] = [
        [(set(), -6.357), (set(), -6.339), (set(), -6.350)],
        [(set(), -6.333), (set(), -6.363)],
        [({0, 1, 2, 3}, -6.166), (set(), -6.338)],
        [({1}, -6.347), ({3}, -7.267), ({2}, -7.248), (set(), -6.340)],
        [({3}, -7.251), ({2, 3}, -7.240), ({3}, -7.315), ({3}, -7.279)],
    ]
    for number, group in enumerate(groups):
        for setting, log_s in group:
            readings.add(frozenset(setting), number, log_s)
    fit = model.fit(readings)
    assert fit.noise < 0.05
    for one, truth in ((1, 0.0), (2, 0.9), (3, 0.9)):
        assert fit.gain(difference(model, frozenset({one}))).value == pytest.approx(truth, abs=0.06)
    beside = fit.gain(difference(model, frozenset({2, 3}), frozenset({3})))
    assert beside.value == pytest.approx(0.0, abs=0.06)

"""How much a gain differs from one time to another, on machines whose speed changes."""

import math

import numpy as np
import pytest

from hasten.measurement.statistics import trimmed_mean
from hasten.tuning.confirm import ratio_of_pairs
from hasten.tuning.search.drift import drift
from hasten.tuning.search.factors import NONE, Setting
from hasten.tuning.search.model import Model, Readings, difference

GAINS = (0.8, 0.2)
BOTH = frozenset({0, 1})
NOISE, PAIRS, STAYS = 0.05, 40, 0.9


def speeds(random: np.random.Generator, count: int, *, sd: float) -> np.ndarray:
    """Return the logarithm of the speed at so many times: each is mostly the one before."""
    found = [random.normal()]
    while len(found) < count:
        found.append(STAYS * found[-1] + math.sqrt(1 - STAYS**2) * random.normal())
    return sd * np.array(found)


class Machine:
    """One whose gains follow its speed."""

    def __init__(self, seed: int, *, sd: float, follows: float, groups: int = 60) -> None:
        self.random, self.follows, self.groups = np.random.default_rng(seed), follows, groups
        self.speeds = speeds(self.random, groups + PAIRS, sd=sd)

    def log_s(self, setting: Setting, at: int) -> float:
        gain = sum(GAINS[one] for one in setting)
        return self.speeds[at] - gain * (1 + self.follows * self.speeds[at]) + NOISE * self.random.normal()

    def searched(self) -> tuple[Model, Readings]:
        found = Readings()
        for group in range(self.groups):
            for setting in (NONE, BOTH, frozenset({int(self.random.integers(2))}), BOTH):
                found.add(setting, group, self.log_s(setting, group))
        return Model(2, [NONE, NONE]), found

    def pairs(self) -> list[float]:
        return [self.log_s(NONE, self.groups + at) - self.log_s(BOTH, self.groups + at) for at in range(PAIRS)]


def drift_of(machine: Machine, contrast: Setting = BOTH) -> float:
    model, found = machine.searched()
    return drift(model, model.fit(found), found, difference(model, contrast))


@pytest.mark.parametrize("follows", [0.4, -0.4])
@pytest.mark.parametrize("sd", [0.1, 0.3])
def test_it_is_what_the_gain_changes_with_the_speed(follows: float, sd: float) -> None:
    found = [drift_of(Machine(seed, sd=sd, follows=follows, groups=300)) for seed in range(40)]
    assert np.median(found) == pytest.approx(abs(follows) * sd, rel=0.3)


def test_each_gain_drifts_as_far_as_it_reaches() -> None:
    whole, small = (drift_of(Machine(1, sd=0.2, follows=0.4), one) for one in (BOTH, frozenset({1})))
    assert small == pytest.approx(whole * 0.2, rel=0.2)
    assert drift_of(Machine(1, sd=0.2, follows=0.4), NONE) == 0


@pytest.mark.parametrize(("sd", "follows"), [(0.0, 0.4), (0.3, 0.0)])
def test_where_gains_do_not_follow_the_speed_it_is_below_what_noise_hides(sd: float, follows: float) -> None:
    found = [drift_of(Machine(seed, sd=sd, follows=follows)) for seed in range(40)]
    assert np.median(found) < 0.5 * NOISE * math.sqrt(2 / PAIRS)


@pytest.mark.parametrize("groups", [0, 1, 7])
def test_few_groups_show_none(groups: int) -> None:
    model, found = Machine(0, sd=0.3, follows=0.4).searched()
    count = sum(one < groups for one in found.groups)
    few = Readings(found.settings[:count], found.groups[:count], found.logs[:count])
    assert drift(model, model.fit(few), few, difference(model, BOTH)) == 0


def test_intervals_of_pairs_hold_at_other_times_only_with_it() -> None:
    held = {True: 0, False: 0}
    for seed in range(200):
        machine = Machine(seed, sd=0.2, follows=0.4)
        model, found = machine.searched()
        fit, logs = model.fit(found), machine.pairs()
        for counts in held:
            tau = drift(model, fit, found, difference(model, BOTH)) if counts else 0.0
            interval = ratio_of_pairs(logs, fit.noise, changes=tau)
            held[counts] += math.log(interval.low) <= sum(GAINS) <= math.log(interval.high)
            assert math.log(interval.value) == pytest.approx(trimmed_mean(logs))
    assert held[True] >= 180
    assert held[False] <= 100

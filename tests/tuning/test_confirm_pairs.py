"""How many pairs the last measurement takes, and what it makes of them."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hasten.base.records.record import Interval
from hasten.training.recipe import baseline
from hasten.tuning import confirm
from hasten.tuning.budget import OutOfTime
from hasten.tuning.context import open_laboratory

from planted import MACHINE, TIME, DoubleBatch, Nothing, small_task

pytestmark = pytest.mark.usefixtures("planted")


@pytest.mark.parametrize(("left_s", "pairs"), [(1e6, 40), (0.0, 5), (-50.0, 5), (20.5, 20), (9.5, 9)])
@pytest.mark.parametrize("one", [Nothing(), DoubleBatch()])
def test_5_to_40_pairs_are_timed_while_the_budget_holds_one_more(
    left_s: float, pairs: int, one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(*sides: Any, **options: Any) -> Iterator[tuple[float, float]]:
        while True:
            TIME.now += 10**9  # a pair takes 1 s
            yield 3.0, 2.0

    class Side:
        step_s = 0.02

        def __init__(self, recipe: Any, *, seed: int) -> None:
            self.samples_per_step = recipe.input.batch_size

    monkeypatch.setattr(confirm, "timed_pairs", timed)
    monkeypatch.setattr(confirm, "Bench", Side)
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=1e8)
    found = confirm.confirmed(lab, (one,), share=left_s / 1e8)
    assert found.n == pairs
    assert math.isclose(found.value, 1.5 * (2 if isinstance(one, DoubleBatch) else 1))


@pytest.mark.parametrize(("noise", "narrow"), [(None, False), (0.01, True)])
def test_few_pairs_are_judged_by_the_noise_that_the_search_has_seen(
    noise: float | None, narrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = iter([(3.0, 2.0), (3.1, 2.0), (2.9, 2.0), (3.05, 2.0), (2.95, 2.0)])
    monkeypatch.setattr(confirm, "timed_pairs", lambda *_, **__: pairs)
    monkeypatch.setattr(confirm, "Bench", lambda *_, **__: SimpleNamespace(step_s=0.02, samples_per_step=32))
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=10.0)
    lab.noise = noise
    found = confirm.confirmed(lab, (Nothing(),), share=1e-9)
    assert found.n == 5
    assert (found.high / found.low < 1.06) is narrow


@pytest.mark.parametrize("pairs", [2, 3, 7])
def test_where_the_end_of_the_budget_comes_between_pairs_three_are_enough(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(*sides: Any, **options: Any) -> Iterator[tuple[float, float]]:
        for _ in range(pairs):
            yield 3.0, 2.0
        raise OutOfTime

    monkeypatch.setattr(confirm, "timed_pairs", timed)
    monkeypatch.setattr(confirm, "Bench", lambda *_, **__: SimpleNamespace(step_s=0.02, samples_per_step=32))
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    lab.noise = 0.01
    if pairs == 2:
        with pytest.raises(OutOfTime):
            confirm.confirmed(lab, (Nothing(),), share=1.0)
    else:
        assert confirm.confirmed(lab, (Nothing(),), share=1.0).n == pairs


@pytest.mark.parametrize(
    ("measured", "expected", "said"),
    [
        ((3.1, 2.9, 3.4), (2.2, 2.0, 2.4), (2.2, 2.0, 3.4)),  # a burst while the pairs were timed
        ((3.1, 2.3, 3.9), (2.2, 2.0, 2.4), (3.1, 2.3, 3.9)),  # both may be true
        ((1.8, 1.7, 1.9), (2.2, 2.0, 2.4), (1.8, 1.7, 1.9)),  # chosen for its luck
        ((3.1, 2.9, 3.4), None, (3.1, 2.9, 3.4)),
    ],
)
def test_a_plan_is_said_to_gain_no_more_than_all_blocks_before_have_shown(
    measured: tuple[float, float, float], expected: tuple[float, float, float] | None, said: tuple[float, float, float]
) -> None:
    def interval(value: float, low: float, high: float) -> Interval:
        return Interval(value=value, low=low, high=high, n=3)

    before = None if expected is None else interval(*expected)
    assert confirm.no_luckier(interval(*measured), before) == interval(*said)


@pytest.mark.parametrize(("drift", "wider"), [(0.0, False), (0.05, True), (None, True)])
def test_the_interval_counts_the_drift_that_the_search_or_else_the_pairs_have_seen(
    drift: float | None, wider: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = iter([(3.0 * (1 + 0.2 * (number // 10 % 2)), 2.0) for number in range(40)])
    monkeypatch.setattr(confirm, "timed_pairs", lambda *_, **__: pairs)
    monkeypatch.setattr(confirm, "Bench", lambda *_, **__: SimpleNamespace(step_s=0.02, samples_per_step=32))
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=1e8)
    lab.noise, lab.drift = 0.01, drift
    found = confirm.confirmed(lab, (Nothing(),), share=1.0)
    assert found.n == 40
    assert (math.log(found.high / found.low) > 0.2) is wider

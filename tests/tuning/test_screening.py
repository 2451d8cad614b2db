"""How the time for a first look is shared out, and where the steps of a bench lie."""

from typing import Any

import msgspec
import pytest

from hasten.base.records.comparison import Comparison
from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Verdict
from hasten.base.stages import Guarantee, Stage
from hasten.training.recipe import baseline
from hasten.training.task import Stop
from hasten.tuning import selection
from hasten.tuning.bench import GOLDEN
from hasten.tuning.break_even import cannot_pay, planned_s
from hasten.tuning.context import Hints, confirmation_s, least_cost_s, open_laboratory
from hasten.tuning.experiment import blank
from hasten.tuning.selection import FIRST_LOOK, _gain, _screen

from planted import MACHINE, HalfTheWork, NoPause, Nothing, Slower, card, small_task

pytestmark = pytest.mark.usefixtures("planted")

FOUR = [NoPause(), HalfTheWork(), Nothing(), Slower()]


def test_each_first_look_gets_its_part_of_half_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    lab.step_s, lab.pair_s = 0.01, 0.1
    budgets: list[float] = []

    def experiment(lab: Any, one: Any, base: Any, *, budget_s: float, company: Any) -> Trial:
        budgets.append(budget_s)
        verdicts = {HalfTheWork: Verdict.KEPT, Nothing: Verdict.INCONCLUSIVE}
        return blank(one, verdicts.get(type(one), Verdict.SLOWER), "", base)

    monkeypatch.setattr(selection, "experiment", experiment)
    survivors: selection.Kept = {}
    unclear: selection.Kept = {}
    told = list(_screen(lab, FOUR, survivors, unclear, share=1.0))
    after = lab.budget.left_s() - confirmation_s(lab, survivors)  # measuring what survives afresh is set aside
    expected = [FIRST_LOOK * 100 / 4, FIRST_LOOK * 100 / 3, FIRST_LOOK * after / 2, FIRST_LOOK * after / 1]
    assert budgets == pytest.approx(expected, rel=1e-3)
    assert list(survivors) == [FOUR[1]]
    assert list(unclear) == [FOUR[2]]
    assert [trial.technique for trial in told] == ["no_pause", "half_the_work", "slower"]


def test_without_time_for_a_comparison_nothing_is_tried_and_all_stay_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=1.0)
    lab.step_s, lab.pair_s = 0.01, 0.2
    assert least_cost_s(lab) > 1.0
    monkeypatch.setattr(selection, "experiment", None)
    unclear: selection.Kept = {}
    assert list(_screen(lab, FOUR, {}, unclear, share=1.0)) == []
    assert list(unclear) == FOUR


def test_the_gain_of_a_trial_without_a_measurement_is_none() -> None:
    trial = blank(Nothing(), Verdict.KEPT, "")
    assert _gain(trial) == 0.0
    assert _gain(msgspec.structs.replace(trial, speedup=Interval(value=1.5, low=1.4, high=1.6, n=9))) == 1.5


@pytest.mark.parametrize("moves", range(2, 60))
def test_steps_of_a_bench_lie_all_over_the_run(moves: int) -> None:
    """Gaps between multiples of the golden ratio have at most three sizes, the largest 2.62 times the least."""
    places = sorted(number * GOLDEN % 1 for number in range(moves))
    gaps = [after - before for before, after in zip(places, [*places[1:], 1.0], strict=True)]
    assert max(gaps) <= 2.62 * min(gaps)


def test_a_stage_takes_its_share_of_the_shorter_step() -> None:
    hints = Hints(stage_s={Stage.INPUT: 0.2}, step_s=0.8, gains={"nothing": 1.5})
    assert hints.share(Stage.INPUT, 0.0) == hints.share(Stage.INPUT, 9.0) == 0.25
    assert hints.share(Stage.INPUT, 0.4) == 0.5
    assert hints.share(Stage.INPUT, 0.1) == 1.0
    assert hints.share(Stage.MODEL, 0.4) is None
    assert Hints(stage_s={Stage.INPUT: 0.2}).share(Stage.INPUT, 0.0) is None
    assert (hints.gain(Nothing()), hints.gain(Slower())) == (1.5, 1.0)


@pytest.mark.parametrize(
    ("stop", "whole_s"),
    [
        (Stop(steps=10), 20.0),
        (Stop(steps=10, seconds=5.0), 5.0),
        (Stop(seconds=5.0), 5.0),
        (Stop(steps=1, seconds=5), 2),
    ],
)
def test_a_training_lasts_until_the_first_of_its_limits(stop: Stop, whole_s: float) -> None:
    recipe = baseline(small_task(stop=stop))
    assert planned_s(recipe, 2.0) == pytest.approx(whole_s)
    for setup_s, told in ((0.49 * whole_s, False), (0.51 * whole_s, True)):
        assert (cannot_pay(card("costly", Guarantee.EXACT, setup_s=setup_s), recipe, 2.0) is not None) is told


@pytest.mark.parametrize(
    ("value", "low", "verdict", "kept"),
    [
        (1.05, 0.99, Speed.UNCLEAR, True),  # nothing speaks against it
        (1.015, 1.012, Speed.FASTER, True),
        (1.015, 0.99, Speed.UNCLEAR, False),
        (0.9, 0.89, Speed.SLOWER, False),
    ],
)
def test_what_is_left_out_once_must_add_something_or_not_be_clear(
    value: float, low: float, verdict: Speed, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Comparison(
        ratio=Interval(value=value, low=low, high=1.2, n=20), verdict=verdict, delta=0.02, pairs=20, steps_per_block=3,
        step_time_a_s=1.0, step_time_b_s=1.0, warmup_s=0.0, spent_s=1.0,
    )  # fmt: skip
    monkeypatch.setattr(selection, "compared", lambda *args, **options: found)
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    assert (selection._left_out(lab, FOUR[0], (), 1.0).verdict is Verdict.KEPT) is kept

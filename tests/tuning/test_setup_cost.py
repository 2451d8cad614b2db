"""What a technique costs once is what its bench took to set up beyond that of the plan without it."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from hasten.base.records.card import Card
from hasten.base.records.comparison import Comparison
from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.record import Interval
from hasten.base.records.trial import Verdict
from hasten.base.stages import Guarantee
from hasten.training.recipe import Recipe, baseline
from hasten.training.task import Stop
from hasten.tuning import experiment
from hasten.tuning.break_even import not_earned_back
from hasten.tuning.budget import now_s
from hasten.tuning.context import open_laboratory
from hasten.tuning.gates import steps_of

from planted import MACHINE, Nothing, Planted, Slower, card, small_task

pytestmark = pytest.mark.usefixtures("planted")


@pytest.mark.parametrize(("with_it_s", "without_s", "setup_s"), [(7.0, 2.0, 5.0), (2.0, 2.0, 0.0), (1.0, 2.0, 0.0)])
def test_the_setup_of_the_base_is_not_counted(
    with_it_s: float, without_s: float, setup_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    one, base = Nothing(), (Slower(),)
    benches = {True: with_it_s, False: without_s}
    made = SimpleNamespace(peak_bytes=lambda: None)
    monkeypatch.setattr(
        experiment, "bench_of", lambda lab, plan: SimpleNamespace(**vars(made), setup_s=benches[one in plan])
    )
    monkeypatch.setattr(experiment, "compared", lambda *args, **options: None)

    def judged(one: Any, base: Any, found: Any, company: Any) -> Any:
        return experiment.blank(one, Verdict.SLOWER, "", base)

    monkeypatch.setattr(experiment, "judged", judged)
    trial = experiment._against(lab, one, base, budget_s=10.0, company=())
    assert trial.setup_s == lab.setup_s[one] == setup_s


def comparison(step_a_s: float, step_b_s: float) -> Comparison:
    ratio = Interval(value=step_a_s / step_b_s, low=1.0, high=9.0, n=20)
    return Comparison(
        ratio=ratio, verdict=Speed.FASTER, delta=0.01, pairs=20, steps_per_block=3, step_time_a_s=step_a_s,
        step_time_b_s=step_b_s, warmup_s=0.0, spent_s=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(("setup_s", "earned"), [(0.0, True), (50.0, True), (50.5, False)])
def test_a_setup_is_earned_back_if_the_training_saves_as_much(setup_s: float, earned: bool) -> None:
    recipe = baseline(small_task(stop=Stop(steps=100)))
    why = not_earned_back(comparison(1.0, 0.5), setup_s, recipe)
    assert (why is None) is earned
    assert earned or "saves only 50.0 s" in (why or "")


@pytest.mark.parametrize(("budget_s", "part_s"), [(30.0, 45.0), (1.0, 15.0)])
def test_an_experiment_is_stopped_half_as_late_again_as_planned_with_its_setup_and_its_gate(
    budget_s: float, part_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    lab.step_s, lab.pair_s = 0.125, 0.0
    limits: list[float] = []
    monkeypatch.setattr(experiment, "told", lambda one, base, make, *, until_s: limits.append(until_s - now_s()))
    experiment.experiment(lab, Expensive(), (), budget_s=budget_s)
    gate_s = steps_of(Guarantee.EXACT) * 0.125
    assert limits == pytest.approx([part_s + 2 * Expensive.card.setup_s + 2 * gate_s], abs=0.01)


@dataclass(frozen=True)
class Expensive(Planted):
    card: ClassVar[Card] = card("expensive", setup_s=3.0)

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe

"""Techniques that change the path are judged by the time to equal quality."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from hasten.base.records.card import Card
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE, Guarantee
from hasten.measurement.statistics import few_ratios
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.task import Stop, Update
from hasten.tuning.context import Laboratory, open_laboratory
from hasten.tuning.convergence import FEWEST_SEEDS, _compared
from hasten.tuning.learning_curve import Course, run_course, shortened
from hasten.tuning.run_cache import Trainings
from hasten.tuning.tune import tune

from planted import MACHINE, TIME, AnotherPath, Planted, card, small_task

pytestmark = pytest.mark.usefixtures("planted")


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten.tuning.convergence.MOST_SEEDS", 4)


SLOW_RATE: dict[str, Any] = {
    "update": Update(optimizer="sgd", lr=0.02),
    "stop": Stop(epochs=40, target=0.9, evaluate_every=7),
}


def run(only: list[str], *, budget_s: float, **task: Any) -> tuple[dict[str, Trial], Tuning]:
    allow = FREE | {Guarantee.TRAJECTORY}
    *_, tuning = tune(baseline(small_task(**task)), MACHINE, budget_s=budget_s, allow=allow, only=only)
    assert isinstance(tuning, Tuning)
    return {trial.technique: trial for trial in tuning.trials}, tuning


@dataclass(frozen=True)
class Standstill(Planted):
    """Trains at a rate that arrives nowhere."""

    card: ClassVar[Card] = card("standstill", Guarantee.TRAJECTORY)

    def apply(self, recipe: Recipe) -> Recipe:
        return replace(recipe, update=replace(recipe.update, lr=1e-6))


def test_a_path_that_arrives_sooner_is_kept_and_one_that_never_arrives_hurts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(techniques(), "standstill", Standstill)
    reached = {"update": Update(optimizer="sgd", lr=0.05), "stop": Stop(epochs=30, target=0.9, evaluate_every=7)}
    found, tuning = run(["another_path", "standstill"], budget_s=100.0, **reached)
    kept = found["another_path"]
    assert kept.verdict is Verdict.KEPT, kept.reason
    assert kept.speedup is not None
    assert kept.speedup.low > 1
    assert kept.speedup.n >= FEWEST_SEEDS
    assert found["standstill"].verdict is Verdict.INCONCLUSIVE
    assert "did not reach the quality" in found["standstill"].reason
    assert tuning.plan.names == ("another_path",)
    assert tuning.speedup is not None
    assert tuning.speedup != kept.speedup  # it is of other seeds
    assert "Measured afresh, another_path is" in tuning.remark


def test_the_gain_of_the_step_and_of_the_path_multiply() -> None:
    _, tuning = run(["no_pause", "another_path"], budget_s=150.0, pause=True, **SLOW_RATE)
    assert set(tuning.plan.names) == {"no_pause", "another_path"}
    assert tuning.speedup is not None
    gains = [choice.gain for choice in tuning.plan.choices]
    assert all(gain is not None and tuning.speedup.value > gain.value for gain in gains)


def test_too_small_a_budget_proves_nothing() -> None:
    found, tuning = run(["another_path"], budget_s=3.0, **SLOW_RATE)
    assert found["another_path"].verdict is Verdict.INCONCLUSIVE
    assert "budget" in found["another_path"].reason
    assert tuning.plan.choices == ()


def test_a_long_training_is_judged_on_shortened_ones() -> None:
    long = {**SLOW_RATE, "stop": Stop(steps=4000, evaluate_every=500)}
    found, _ = run(["another_path"], budget_s=150.0, **long)
    assert "% of the steps" in found["another_path"].reason


def test_one_cycle_tells_which_setting_was_best() -> None:
    stop = Stop(epochs=40, target=0.85, evaluate_every=7)  # that no seed misses
    faster = {"update": Update(optimizer="sgd", lr=0.05), "stop": stop}
    found, tuning = run(["one_cycle"], budget_s=200.0, **faster)
    trial = found["one_cycle"]
    assert trial.verdict is Verdict.KEPT, trial.reason
    share = trial.knobs.get("share", 0.5)
    assert f"with share {share}" in trial.reason
    assert tuning.plan.choices[0].knobs == trial.knobs


def test_a_course_knows_when_it_had_which_quality() -> None:
    course = Course(points=((1.0, 0.5), (2.0, 0.8), (3.0, 0.7)), higher_is_better=True, elapsed_s=3.0, ended=True)
    assert course.time_to(0.5) == 1.0
    assert course.time_to(0.75) == 2.0
    assert course.time_to(0.9) is None
    lower = replace(course, higher_is_better=False)
    assert lower.time_to(0.6) == 1.0
    assert lower.time_to(0.4) is None


def test_a_course_is_given_up_at_its_limit() -> None:
    recipe = baseline(small_task(stop=Stop(epochs=50)))
    began = TIME.now
    course = run_course(recipe, seed=1, limit_s=2.0)
    assert not course.ended
    assert 2.0 < (TIME.now - began) * 1e-9 < 4.0
    assert course.points
    whole = run_course(baseline(small_task(stop=Stop(epochs=2))), seed=1, limit_s=100.0)
    assert whole.ended
    assert len(whole.points) == 2


def test_a_shortened_recipe_has_its_share_of_the_steps_and_no_target() -> None:
    recipe = baseline(small_task(stop=Stop(epochs=50, target=0.5)))
    short = shortened(recipe, 0.2)
    assert recipe.subject.planned_steps == 350
    assert short.subject.planned_steps == 70
    assert short.task.stop.target is None
    timed = shortened(baseline(small_task(stop=Stop(seconds=100.0))), 0.2)
    assert timed.task.stop.seconds == pytest.approx(20.0)


def test_few_ratios_have_students_interval() -> None:
    found = few_ratios([1.0, 2.0, 4.0])
    assert found.value == pytest.approx(2.0)
    half = 4.302652729911275 * math.log(2) / math.sqrt(3)  # t of 2 degrees of freedom; the logs spread by ln 2
    assert math.log(found.high / found.value) == pytest.approx(half)
    assert math.log(found.value / found.low) == pytest.approx(half)
    assert found.n == 3


def curves(lab: Laboratory, plain: Sequence[float], other: Sequence[float], *, late: int | None = None) -> Trainings:
    """Trainings whose metric rises to the given ends; `late` is the seed on which the candidate never gets there."""
    cache = Trainings(lab, lab.recipe, ())
    for number in range(len(plain)):
        for plan, ends, pace in (((), plain, 2.0), ((PATH,), other, 1.0)):
            end = 0.1 if plan and number == late else ends[number]
            points = ((0.5 * pace, end / 2), (pace, end))
            cache.done[(frozenset(plan), number)] = Course(points, True, pace, True)
    return cache


PATH = AnotherPath()


def test_a_seed_that_misses_the_target_is_never_left_out() -> None:
    lab = open_laboratory(baseline(small_task(**SLOW_RATE)), MACHINE, budget_s=1000.0)
    ends = [0.95] * 4
    kept = _compared(curves(lab, ends, ends), (), (PATH,), range(4))
    assert kept.ratio is not None
    missed = _compared(curves(lab, ends, ends, late=2), (), (PATH,), range(4))
    assert missed.verdict is Verdict.SLOWER
    assert "1 of 3 trainings missed" in missed.text  # the fourth seed could not change that


def test_without_a_target_the_worst_end_of_the_baseline_is_equal_quality() -> None:
    lab = open_laboratory(baseline(small_task(stop=Stop(epochs=4))), MACHINE, budget_s=1000.0)
    cache = curves(lab, [0.8, 0.6, 0.7], [0.65, 0.65, 0.65])
    assert cache.target((), range(3)) == 0.6
    assert _compared(cache, (), (PATH,), range(3)).verdict is not Verdict.SLOWER


def test_a_training_that_diverges_has_reached_nothing() -> None:
    diverged = Course(points=((1.0, 0.99),), higher_is_better=True, elapsed_s=1.0, ended=True, finite=False)
    assert diverged.time_to(0.5) is None


@pytest.mark.parametrize(("budget_s", "kept_back", "seeds"), [(1000.0, 3, 6), (11.0, 3, 3), (11.0, 0, 6), (2.0, 3, 3)])
def test_seeds_are_compared_as_long_as_time_is_left_to_measure_afresh(
    budget_s: float, kept_back: int, seeds: int
) -> None:
    lab = open_laboratory(baseline(small_task(**SLOW_RATE)), MACHINE, budget_s=budget_s)  # a pair takes 3 s
    found = _compared(curves(lab, [0.95] * 6, [0.95] * 6), (), (PATH,), range(6), kept_back)
    assert found.ratio is not None
    assert found.ratio.n == seeds

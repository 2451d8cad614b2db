"""Baseline against plan: order and seeds of the trainings, and when the plan counts as faster."""

import math

import msgspec
import pytest
from torch import Tensor, nn

from hasten import Choice, Plan, Stop
from hasten.base.records.run import Evaluation, RunResult, Started, StopReason
from hasten.pipeline import comparing
from hasten.pipeline.comparing import compare, equal_quality, paired_quality, paired_speedup
from hasten.techniques.applying import make
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import run_training

from tiny_tasks import mlp_task

CLIPPED = Plan(task="tiny", choices=(Choice(technique="clip_norm"),))


def test_compare_pairs_the_seeds_and_the_first_is_the_training_that_was_there() -> None:
    recipe = baseline(mlp_task())
    planned = make("clip_norm").apply(recipe)
    plan = Plan(task="tiny", choices=(Choice(technique="clip_norm"),))
    first = run_training(planned, plan, show=lambda record: None).result
    compared = compare(recipe, planned, plan, first, seeds=3, show=lambda record: None)
    pairs = compared.pairs
    assert compared.interrupted_by is None
    assert all((a.plan, b.plan) == (("clip_norm",), ()) for a, b in pairs)
    assert len(pairs) == 3
    assert pairs[0][0] == first
    assert all(a.seed == b.seed for a, b in pairs)
    assert len({a.seed for a, _ in pairs}) == 3
    speedup = paired_speedup(pairs)
    assert speedup is not None
    assert speedup.n == 3


def test_the_side_that_trains_first_alternates() -> None:
    recipe = baseline(mlp_task(stop=Stop(steps=2)))
    planned = make("clip_norm").apply(recipe)
    first = run_training(planned, CLIPPED, show=lambda record: None).result
    started: list[tuple[str, ...]] = []

    def show(record: object) -> None:
        if isinstance(record, Started):
            started.append(record.plan)

    compare(recipe, planned, CLIPPED, first, seeds=5, show=show)
    clipped, plain = ("clip_norm",), ()
    assert started == [plain, plain, clipped, clipped, plain, plain, clipped, clipped, plain]


def test_two_plans_of_the_same_names_are_two_sides() -> None:
    recipe = baseline(mlp_task(stop=Stop(steps=2)))
    empty = Plan(task="tiny")  # as many names as the baseline
    first = run_training(recipe, empty, show=lambda record: None).result
    (pair,) = compare(recipe, recipe, empty, first, seeds=1, show=lambda record: None).pairs
    assert pair[0] is first
    assert pair[1] is not first


class Exploding(nn.Module):
    """Adds nothing, but makes the loss infinite in the fourth training step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return x * (math.inf if self.steps >= 4 else 1.0)


def exploding(recipe: Recipe) -> Recipe:
    return recipe.with_surgery(lambda model: nn.Sequential(model, Exploding()))


def test_a_plan_that_diverges_ends_the_comparison_and_is_no_speed_up() -> None:
    recipe = baseline(mlp_task())
    planned = exploding(recipe)
    first = run_training(planned, CLIPPED, show=lambda record: None).result
    assert first.reason is StopReason.NON_FINITE
    pairs = compare(recipe, planned, CLIPPED, first, seeds=4, show=lambda record: None).pairs
    assert len(pairs) == 1
    assert paired_speedup([*pairs, *pairs]) is None


def result(
    elapsed_s: float,
    *,
    target: float | None = 0.9,
    metrics: tuple[float, ...] = (0.5, 0.9),
    reason: StopReason = StopReason.EPOCHS,
) -> RunResult:
    """Return a training whose metrics were evaluated at even times, the last at its end."""
    evaluations = tuple(
        Evaluation(
            step=10 * number, epoch=number, elapsed_s=elapsed_s * number / len(metrics), train_loss=1.0, valid_loss=1.0,
            metric=metric, best=True,
        )
        for number, metric in enumerate(metrics, 1)
    )  # fmt: skip
    reached = target is not None and max(metrics) >= target
    return RunResult(
        task="t", metric_name="accuracy", higher_is_better=True, target=target, plan=(), seed=0, reason=reason,
        steps=10 * len(metrics), elapsed_s=elapsed_s, time_to_target_s=elapsed_s if reached else None,
        best_metric=max(metrics), final_metric=metrics[-1], final_valid_loss=0, samples_per_s=1,
        evaluations=evaluations,
    )  # fmt: skip


PLAN, PLAIN = result(1.0), result(2.0)
MISSED = (0.5, 0.8)


def test_times_to_the_target_are_compared_over_at_least_two_pairs() -> None:
    assert paired_speedup([(PLAN, PLAIN)]) is None
    speedup = paired_speedup([(PLAN, PLAIN), (PLAN, PLAIN)])
    assert speedup is not None
    assert (speedup.value, speedup.n) == (pytest.approx(2), 2)
    assert equal_quality([(PLAN, PLAIN)]) == 0.9


@pytest.mark.parametrize("share", [1, 2])
def test_a_plan_that_misses_a_target_that_the_baseline_reached_is_never_faster(share: int) -> None:
    missed = result(0.1, metrics=MISSED)
    pairs = [(missed, PLAIN)] * share + [(PLAN, PLAIN)] * 3
    assert paired_speedup(pairs) is None


def test_a_target_that_both_missed_leaves_the_best_quality_that_both_reached() -> None:
    plan = result(1.0, metrics=(0.5, 0.7, 0.8, 0.85))
    plain = result(2.0, metrics=(0.5, 0.6, 0.7, 0.8))
    pairs = [(plan, plain), (plan, plain)]
    assert equal_quality(pairs) == 0.8
    speedup = paired_speedup(pairs)
    assert speedup is not None
    assert speedup.value == pytest.approx(2.0 / 0.75)
    assert (plan.reaching(0.8).step, plain.reaching(0.8).step) == (30, 40)  # type: ignore[union-attr]


def test_a_baseline_that_missed_is_compared_at_what_it_reached() -> None:
    pairs = [(PLAN, result(2.0, metrics=MISSED)), (PLAN, PLAIN)]
    assert equal_quality(pairs) == 0.8
    assert paired_speedup(pairs) is not None


def test_an_error_metric_is_compared_at_the_worst_of_the_lowest() -> None:
    lower = [msgspec.structs.replace(run, higher_is_better=False, target=0.1) for run in (PLAN, PLAIN)]
    plan = msgspec.structs.replace(lower[0], best_metric=0.5, time_to_target_s=None)
    plain = msgspec.structs.replace(lower[1], best_metric=0.6, time_to_target_s=None)
    assert equal_quality([(plan, plain)]) == 0.6


def test_without_a_target_whole_trainings_are_compared() -> None:
    pairs = [(result(1.0, target=None), result(3.0, target=None))] * 2
    assert equal_quality(pairs) is None
    speedup = paired_speedup(pairs)
    assert speedup is not None
    assert speedup.value == pytest.approx(3)


def test_no_training_of_five_is_left_out() -> None:
    plans_s = (1.0, 1.1, 0.9, 1.05, 1.6)
    pairs = [(result(seconds_to, target=None), result(2.0, target=None)) for seconds_to in plans_s]
    speedup = paired_speedup(pairs)
    assert speedup is not None
    assert speedup.value == pytest.approx(2.0 / math.prod(plans_s) ** (1 / 5))
    assert speedup.low < 2.0 / 1.25 < speedup.high


@pytest.mark.parametrize(("training_s", "count"), [(1.0, 5), (5.5, 5), (9.0, 3), (20.0, 1)])
def test_five_pairs_are_trained_or_as_many_as_fit_into_a_minute(
    training_s: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]

    def train(seed: int) -> tuple[RunResult, int | None]:
        now_s[0] += training_s
        return result(training_s, target=None), None

    monkeypatch.setattr(comparing, "perf_counter", lambda: now_s[0])
    sides = {"plan": train, "baseline": train}
    compared = comparing.in_pairs(sides, {}, seed=0, seeds=None, show=lambda record: None)
    assert len(compared.pairs) == count


@pytest.mark.parametrize("side", [0, 1])
def test_a_run_that_diverged_is_never_a_speed_up(side: int) -> None:
    diverged = result(0.1, target=None, reason=StopReason.NON_FINITE)
    pair = [result(1.0, target=None), result(3.0, target=None)]
    pair[side] = diverged
    assert paired_speedup([(result(1.0, target=None), result(3.0, target=None)), (pair[0], pair[1])]) is None


def test_a_run_without_a_finite_metric_has_no_quality_to_compare_at() -> None:
    lost = msgspec.structs.replace(result(1.0, metrics=MISSED), best_metric=None)
    assert equal_quality([(lost, result(2.0, metrics=MISSED))]) is None
    assert paired_speedup([(lost, result(2.0, metrics=MISSED))] * 2) is None


def test_the_difference_in_quality_is_paired_by_seed() -> None:
    pairs = [
        (result(1.0, metrics=(0.5, plan)), result(2.0, metrics=(0.5, plain)))
        for plan, plain in ((0.9, 0.8), (0.7, 0.5))
    ]
    more = paired_quality(pairs)
    assert more is not None
    assert (more.value, more.n) == (pytest.approx(0.15), 2)
    assert more.low < 0.1 < 0.2 < more.high
    assert paired_quality(pairs[:1]) is None
    lost = msgspec.structs.replace(pairs[0][0], best_metric=None)
    assert paired_quality([(lost, pairs[0][1]), pairs[1]]) is None

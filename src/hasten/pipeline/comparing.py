"""Baseline against plan: whole trainings, paired by seed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from hasten.base.records.plan import Plan
from hasten.base.records.record import Interval
from hasten.base.records.run import RunResult, StopReason
from hasten.base.seeds import derive
from hasten.measurement.statistics import few_ratios, mean_interval
from hasten.training.recipe import Recipe
from hasten.training.running import Show, run_training

COMPARISON_S = 60.0
"""Long enough for five pairs of 12 s; two or three show a gain only where the machine is quiet."""
MOST_SEEDS = 5

Train = Callable[[int], tuple[RunResult, int | None]]
"""Trains one side on a seed; returns the result and the signal that interrupted it, if one did."""
Pair = tuple[RunResult, RunResult]
"""(with the plan, baseline), of one seed."""


@dataclass(frozen=True)
class Compared:
    """The whole pairs, and the signal that ended the comparison early, if one did."""

    pairs: list[Pair]
    interrupted_by: int | None = None


def compare(
    recipe: Recipe, planned: Recipe, plan: Plan, first: RunResult, *, seeds: int | None, show: Show
) -> Compared:
    """Train the baseline on the seed that the plan was trained on, then both on further seeds.

    Which of the two goes first alternates, so that drift of the machine hits both alike.

    Args:
        recipe: the baseline.
        planned: the same task with the plan applied.
        plan: what `planned` came from.
        first: the training with the plan that is already there.
        seeds: pairs; None for as many as fit into a minute, at least 1 and at most 5.
        show: called with every event and result.

    Returns:
        The whole pairs. An interruption ends the comparison early, and so does a training that diverges: more of them
        could not make the plan faster.
    """

    sides = {"plan": here(planned, plan, show), "baseline": here(recipe, Plan(task=plan.task), show)}
    return in_pairs(sides, {"plan": first}, seed=first.seed, seeds=seeds, show=show)


def here(recipe: Recipe, plan: Plan, show: Show) -> Train:
    """Return what trains a recipe in this process, and shows its events."""

    def train(seed: int) -> tuple[RunResult, int | None]:
        trained = run_training(recipe, plan, show=show, seed=seed)
        return trained.result, trained.interrupted_by

    return train


def in_pairs(
    sides: Mapping[str, Train], first: Mapping[str, RunResult], *, seed: int, seeds: int | None, show: Show
) -> Compared:
    """Train "plan" and "baseline" on the same seeds; see `compare`.

    Args:
        sides: how each is trained.
        first: trainings on the first seed that are already there.
        seed: the first one; others follow from it.
        seeds: pairs; None for as many as fit into a minute, at least 1 and at most 5.
        show: called with every result.
    """
    started = perf_counter()
    pairs: list[Pair] = []
    first_seed, results = seed, dict(first)
    while True:
        order = ("plan", "baseline") if len(pairs) % 2 == 0 else ("baseline", "plan")
        for side in order:
            if side in results:
                continue
            result, interrupted_by = sides[side](seed)
            show(result)
            if interrupted_by is not None:
                return Compared(pairs, interrupted_by)
            results[side] = result
        pairs.append((results["plan"], results["baseline"]))
        spent_s, pair_s = perf_counter() - started, sum(result.elapsed_s for result in pairs[-1])
        enough = len(pairs) >= (seeds or MOST_SEEDS) or (seeds is None and spent_s + pair_s > COMPARISON_S)
        if enough or any(map(_diverged, pairs[-1])):
            return Compared(pairs)
        seed, results = derive(first_seed, "comparison", len(pairs)) % 10_000, {}


def equal_quality(pairs: Sequence[Pair]) -> float | None:
    """Return the metric to which times are compared: the target, or the best that every run reached if one missed it.

    None where the task has no target, or a run has no finite metric.
    """
    runs = [run for pair in pairs for run in pair]
    target = runs[0].target
    if target is None or all(run.time_to_target_s is not None for run in runs):
        return target
    best = [run.best_metric for run in runs]
    reached = [metric for metric in best if metric is not None and math.isfinite(metric)]
    if len(reached) < len(runs):
        return None
    return min(reached) if runs[0].higher_is_better else max(reached)


def paired_speedup(pairs: Sequence[Pair]) -> Interval | None:
    """Return baseline time over plan time to equal quality, typical over the pairs; None where that is not known.

    A plan is never faster if it missed the target on a seed on which the baseline reached it, or if a run diverged. One
    pair is too few for an interval.
    """
    if len(pairs) < 2 or any(_diverged(run) for pair in pairs for run in pair):
        return None
    if any(_missed(with_plan) and not _missed(without) for with_plan, without in pairs):
        return None
    level = equal_quality(pairs)
    times = [(with_plan.seconds_to(level), without.seconds_to(level)) for with_plan, without in pairs]
    ratios = [plain_s / plan_s for plan_s, plain_s in times if plan_s is not None and plain_s is not None]
    return few_ratios(ratios) if len(ratios) == len(pairs) else None


def paired_quality(pairs: Sequence[Pair]) -> Interval | None:
    """Return the best metric with the plan less that of the baseline on the same seed, the mean over the pairs.

    None for fewer than two pairs, and where a run has no finite metric.
    """
    best = [(with_plan.best_metric, without.best_metric) for with_plan, without in pairs]
    more = [a - b for a, b in best if a is not None and b is not None and math.isfinite(a - b)]
    return mean_interval(more) if len(more) == len(pairs) >= 2 else None


def _missed(run: RunResult) -> bool:
    return run.target is not None and run.time_to_target_s is None


def _diverged(run: RunResult) -> bool:
    return run.reason is StopReason.NON_FINITE

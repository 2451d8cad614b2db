"""Baseline against plan: whole trainings, paired by seed."""

import math
from time import perf_counter

from hasten.base.records.interval import Interval
from hasten.base.records.plan import Plan
from hasten.base.records.run import RunResult
from hasten.base.seeds import derive
from hasten.measurement.statistics import ratio_interval
from hasten.training.recipe import Recipe
from hasten.training.running import Show, run_training

COMPARISON_S = 40.0
MOST_SEEDS = 5

Pair = tuple[RunResult, RunResult]
"""(with the plan, baseline), of one seed."""


def compare(
    recipe: Recipe, planned: Recipe, plan: Plan, first: RunResult, *, seeds: int | None, show: Show
) -> list[Pair]:
    """Train the baseline on the seed that the plan was trained on, then both on further seeds.

    Which of the two goes first alternates, so that drift of the machine hits both alike.

    Args:
        recipe: the baseline.
        planned: the same task with the plan applied.
        plan: what `planned` came from.
        first: the training with the plan that is already there.
        seeds: pairs; None for as many as fit into 40 s, at least 1 and at most 5.
        show: called with every event and result.

    Returns:
        The whole pairs; an interruption ends the comparison early.
    """
    started = perf_counter()
    empty = Plan(task=plan.task)

    def train(side: Recipe, what: Plan, seed: int) -> RunResult | None:
        trained = run_training(side, what, show=show, seed=seed)
        show(trained.result)
        return trained.result if trained.interrupted_by is None else None

    pairs: list[Pair] = []
    with_plan, without = first, train(recipe, empty, first.seed)
    while with_plan is not None and without is not None:
        pairs.append((with_plan, without))
        spent_s, pair_s = perf_counter() - started, with_plan.elapsed_s + without.elapsed_s
        if len(pairs) >= (seeds or MOST_SEEDS) or (seeds is None and spent_s + pair_s > COMPARISON_S):
            break
        seed = derive(recipe.task.seed, "comparison", len(pairs)) % 10_000
        if len(pairs) % 2:
            without = train(recipe, empty, seed)
            with_plan = train(planned, plan, seed) if without is not None else None
        else:
            with_plan = train(planned, plan, seed)
            without = train(recipe, empty, seed) if with_plan is not None else None
    return pairs


def paired_speedup(pairs: list[Pair]) -> Interval | None:
    """Return baseline time over plan time, typical over the pairs, or None where fewer than two pairs tell.

    Where the task has a target, the times are those to the target, and only pairs in which both reached it count.
    """
    ratios: list[float] = []
    for with_plan, without in pairs:
        if with_plan.target is None:
            ratios.append(math.log(without.elapsed_s / with_plan.elapsed_s))
        elif with_plan.time_to_target_s is not None and without.time_to_target_s is not None:
            ratios.append(math.log(without.time_to_target_s / with_plan.time_to_target_s))
    return ratio_interval(ratios) if len(ratios) > 1 else None

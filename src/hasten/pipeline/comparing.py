"""Baseline against plan: whole trainings, paired by seed."""

import math
from dataclasses import dataclass
from time import perf_counter

from hasten.base.records.interval import Interval
from hasten.base.records.plan import Plan
from hasten.base.records.run import RunResult
from hasten.base.seeds import derive
from hasten.measurement.statistics import ratio_interval
from hasten.training.recipe import Recipe
from hasten.training.running import Show, run_training

COMPARISON_S = 25.0
MOST_SEEDS = 5

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
        seeds: pairs; None for as many as fit into 25 s, at least 1 and at most 5.
        show: called with every event and result.

    Returns:
        The whole pairs; an interruption ends the comparison early.
    """
    started = perf_counter()
    plain = Plan(task=plan.task)
    pairs: list[Pair] = []
    seed, with_plan = first.seed, first
    while True:
        both = ((planned, plan, True), (recipe, plain, False))
        sides = both[1:] if with_plan else both[:: 1 if len(pairs) % 2 else -1]
        results = {True: with_plan} if with_plan else dict[bool, RunResult]()
        for side, what, is_plan in sides:
            trained = run_training(side, what, show=show, seed=seed)
            show(trained.result)
            if trained.interrupted_by is not None:
                return Compared(pairs, trained.interrupted_by)
            results[is_plan] = trained.result
        pairs.append((results[True], results[False]))
        spent_s, pair_s = perf_counter() - started, sum(result.elapsed_s for result in pairs[-1])
        if len(pairs) >= (seeds or MOST_SEEDS) or (seeds is None and spent_s + pair_s > COMPARISON_S):
            return Compared(pairs)
        seed, with_plan = derive(recipe.task.seed, "comparison", len(pairs)) % 10_000, None


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

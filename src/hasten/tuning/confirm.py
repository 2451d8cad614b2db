"""The last measurement: the whole plan against the baseline, afresh, since a winner was picked for its luck too."""

import math

from hasten.base.records.record import Interval
from hasten.base.seeds import derive
from hasten.measurement.paired import LEAST_BLOCK_S, LEAST_STEPS, timed_pairs
from hasten.measurement.statistics import ratio_interval
from hasten.tuning.bench import Bench
from hasten.tuning.budget import now_ns, now_s
from hasten.tuning.context import Laboratory, Plan, recipe_with

FEWEST_PAIRS, MOST_PAIRS = 8, 40


def confirmed(lab: Laboratory, plan: Plan, *, share: float) -> Interval:
    """Return how many times faster the plan goes through the training data, on another seed and newly built.

    As many pairs are timed as that share of the budget still holds, at least 8 and at most 40, whatever they show;
    none of them was used to choose the plan.
    """
    seed = derive(lab.recipe.task.seed, "confirmation") % 10_000
    plain, planned = Bench(lab.recipe, seed=seed), Bench(recipe_with(lab, plan), seed=seed)
    steps = max(LEAST_STEPS, math.ceil(LEAST_BLOCK_S / min(plain.step_s, planned.step_s)))
    more = math.log(planned.samples_per_step / plain.samples_per_step)
    logs: list[float] = []
    began = now_s()
    for plain_s, planned_s in timed_pairs(plain, planned, steps=steps, seed=seed, clock=now_ns):
        logs.append(math.log(plain_s / planned_s) + more)
        pair_s = (now_s() - began) / len(logs)
        if len(logs) >= FEWEST_PAIRS and (len(logs) >= MOST_PAIRS or lab.budget.left_s(share) < pair_s):
            break
    return ratio_interval(logs)

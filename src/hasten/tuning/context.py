"""Where experiments are made: the baseline, the machine, the noise, the budget, and what is built already."""

from collections import OrderedDict
from dataclasses import dataclass, field

from hasten.base.records.comparison import Comparison, NoiseFloor
from hasten.base.records.machine import Machine
from hasten.measurement.paired import LEAST_BLOCK_S, LEAST_STEPS, compare, noise_floor
from hasten.techniques.applying import apply_all
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning import clock
from hasten.tuning.bench import Bench
from hasten.tuning.budget import Budget
from hasten.tuning.gates import Reference

Plan = tuple[Technique, ...]
"""Techniques that are used together, in no particular order."""

KEPT_BENCHES = 4
FEWEST_PAIRS = 8
"""With fewer than seven no verdict can be certain (`hasten.measurement.confidence_sequence`)."""
WARM_UP_STEPS = 16
NOISE_SHARE = 0.1
LONGEST_NOISE_S = 10.0


@dataclass
class Laboratory:
    """One tuning's surroundings. `smallest` is the least relative difference that counts as one."""

    recipe: Recipe
    machine: Machine
    budget: Budget
    reference: Reference
    smallest: float = 0.01
    sigma: float = 0.02
    step_s: float = 0.0  # of the baseline
    pair_s: float = 0.0  # of one pair of blocks, all included
    comparisons: int = 0
    proven: set[frozenset[Technique]] = field(default_factory=set[frozenset[Technique]])  # plans that passed their gate
    benches: OrderedDict[frozenset[Technique], Bench] = field(default_factory=OrderedDict[frozenset[Technique], Bench])


def open_laboratory(recipe: Recipe, machine: Machine, budget_s: float) -> Laboratory:
    """Return a laboratory for a baseline; its budget runs from now on."""
    return Laboratory(recipe=recipe, machine=machine, budget=Budget(budget_s), reference=Reference(recipe))


def recipe_with(lab: Laboratory, plan: Plan) -> Recipe:
    """Return the baseline with a plan applied; see `hasten.techniques.applying.apply_all`."""
    return apply_all(plan, lab.recipe, lab.machine)


def bench_of(lab: Laboratory, plan: Plan) -> Bench:
    """Return the bench of a plan, built at the first call; the few that were used last are kept."""
    key = frozenset(plan)
    if key not in lab.benches:
        lab.benches[key] = Bench(recipe_with(lab, plan))
    lab.benches.move_to_end(key)
    while len(lab.benches) > KEPT_BENCHES:
        lab.benches.popitem(last=False)
    return lab.benches[key]


def compared(lab: Laboratory, base: Plan, plan: Plan, *, budget_s: float) -> Comparison:
    """Return how many times faster `plan` goes through the training data than `base`."""
    first, second = bench_of(lab, base), bench_of(lab, plan)
    first.rewind()
    second.rewind()
    lab.comparisons += 1
    return compare(
        first,
        second,
        budget_s=budget_s,
        delta=lab.smallest,
        sigma=max(lab.sigma, 1e-3),
        samples_per_step=(first.samples_per_step, second.samples_per_step),
        seed=lab.comparisons,
        clock=clock.now_ns,
    )


def least_cost_s(lab: Laboratory) -> float:
    """Return about how long the shortest comparison that can be certain takes, with building and warming up."""
    return FEWEST_PAIRS * lab.pair_s + WARM_UP_STEPS * lab.step_s


def measured_noise(lab: Laboratory) -> NoiseFloor | None:
    """Time the baseline against itself, built twice, and set what counts as a difference from now on.

    If the same code seems to differ from itself, it is asked once more, for that happens by chance; if it does again,
    only differences twice as large count.

    Returns:
        None if the budget does not even hold that.
    """
    lab.step_s = bench_of(lab, ()).step_s
    lab.pair_s = 2 * (max(LEAST_BLOCK_S, LEAST_STEPS * lab.step_s) + lab.step_s)  # a guess, to begin with
    if not lab.budget.holds(least_cost_s(lab)):
        return None
    noise = _noise(lab)
    if not noise.stable and lab.budget.holds(noise.spent_s):
        noise = _noise(lab)
    if not noise.stable:
        lab.smallest = max(noise.delta, 2 * abs(noise.ratio.value - 1))
    return noise


def _noise(lab: Laboratory) -> NoiseFloor:
    first, second = bench_of(lab, ()), Bench(lab.recipe)
    first.rewind()
    lab.comparisons += 1
    budget_s = min(LONGEST_NOISE_S, NOISE_SHARE * lab.budget.total_s)
    noise = noise_floor(first, second, budget_s=budget_s, seed=lab.comparisons, clock=clock.now_ns)
    lab.smallest, lab.sigma, lab.pair_s = noise.delta, noise.sigma, noise.spent_s / noise.pairs
    return noise

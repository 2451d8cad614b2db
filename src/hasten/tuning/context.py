"""Where experiments are made: the baseline, the machine, the noise, the budget, and what is built already."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hasten.base.errors import HastenError
from hasten.base.records.comparison import Comparison, NoiseFloor
from hasten.base.records.machine import Machine
from hasten.base.stages import Stage
from hasten.measurement.confidence_sequence import FEWEST_READINGS
from hasten.measurement.paired import LEAST_BLOCK_S, LEAST_STEPS, compare, noise_floor
from hasten.techniques.applying import apply_all, apply_each
from hasten.techniques.dry_run import dry_run
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning.bench import Bench
from hasten.tuning.budget import Budget, OutOfTime, ends_by, now_ns
from hasten.tuning.gates import Reference

Plan = tuple[Technique, ...]
"""Techniques that are used together, in no particular order."""

KEPT_BENCHES = 4
WARM_UP_STEPS = 16
NOISE_SHARE = 0.1
LONGEST_NOISE_S = 10.0


@dataclass(frozen=True)
class Hints:
    """What a profile lets tuning expect; without one, nothing is expected and nothing is ruled out.

    Args:
        gains: technique -> predicted speed-up of the step; these are tried first, the largest first.
        stage_s: stage -> seconds of a step that it takes. Only stages of which the profile is sure: a technique whose
            stage takes too little to gain from is not tried.
        step_s: seconds of a step in the profile.
    """

    gains: Mapping[str, float] = field(default_factory=dict[str, float])
    stage_s: Mapping[Stage, float] = field(default_factory=dict[Stage, float])
    step_s: float = 0.0

    def gain(self, one: Technique) -> float:
        """Return the predicted speed-up, 1 where none is predicted."""
        return self.gains.get(one.card.name, 1.0)

    def share(self, stage: Stage, step_s: float) -> float | None:
        """Return the share of a step that a stage takes, None where unknown.

        Args:
            stage: where time is spent.
            step_s: of a step as tuning measured it; the shorter of both steps counts, since a busy machine makes a
                step longer and so every share smaller.
        """
        whole_s = min(self.step_s, step_s) if step_s > 0 else self.step_s
        return min(1.0, self.stage_s[stage] / whole_s) if stage in self.stage_s and whole_s > 0 else None


@dataclass
class Laboratory:
    """The context of one tuning. `smallest` is the least relative difference that counts as one."""

    recipe: Recipe
    machine: Machine
    budget: Budget
    reference: Reference
    hints: Hints = field(default_factory=Hints)
    accept: frozenset[str] = frozenset()  # techniques that are kept without proof of their guarantee
    smallest: float = 0.01
    step_s: float = 0.0  # of the baseline
    pair_s: float = 0.0  # of one pair of blocks, all included
    comparisons: int = 0
    proven: set[frozenset[Technique]] = field(default_factory=set[frozenset[Technique]])  # plans that passed their gate
    benches: OrderedDict[frozenset[Technique], Bench] = field(default_factory=OrderedDict[frozenset[Technique], Bench])
    setup_s: dict[Technique, float] = field(default_factory=dict[Technique, float])


def open_laboratory(
    recipe: Recipe, machine: Machine, budget_s: float, *, hints: Hints | None = None, accept: Iterable[str] = ()
) -> Laboratory:
    """Return the context of a tuning; its budget runs from now on."""
    return Laboratory(recipe, machine, Budget(budget_s), Reference(recipe), hints or Hints(), frozenset(accept))


def recipe_with(lab: Laboratory, plan: Plan) -> Recipe:
    """Return the baseline with a plan applied; see `hasten.techniques.applying.apply_all`."""
    return apply_all(plan, lab.recipe, lab.machine)


def bench_of(lab: Laboratory, plan: Plan) -> Bench:
    """Return the bench of a plan, built at the first call; the few that were used last are kept.

    Raises:
        Refused: if the first step with the plan fails; names the technique and the layer.
    """
    key = frozenset(plan)
    if key not in lab.benches:
        try:
            lab.benches[key] = Bench(recipe_with(lab, plan))
        except HastenError:
            raise
        except Exception:
            dry_run(list(apply_each(plan, lab.recipe, lab.machine)), lab.recipe)
            raise  # the first step alone did not fail
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
        samples_per_step=(first.samples_per_step, second.samples_per_step),
        seed=lab.comparisons,
        clock=now_ns,
    )


def least_cost_s(lab: Laboratory) -> float:
    """Return about how long the shortest comparison that can be certain takes, with building and warming up."""
    return FEWEST_READINGS * lab.pair_s + WARM_UP_STEPS * lab.step_s


def confirmation_s(lab: Laboratory, plan: Iterable[Technique]) -> float:
    """Return about how long measuring a plan afresh takes, with what it costs once more to set up."""
    return least_cost_s(lab) + sum(lab.setup_s.get(one, 0.0) for one in plan)


def measured_noise(lab: Laboratory) -> NoiseFloor | None:
    """Time the baseline against itself, built twice, and set what counts as a difference from now on.

    If the same code seems to differ from itself, it is asked once more, for that happens by chance; if it does again,
    only differences twice as large count.

    Returns:
        None if the budget is too short even for that.
    """
    try:
        with ends_by(lab.budget.hard_stop_s):
            return _measured_noise(lab)
    except OutOfTime:
        return None


def _measured_noise(lab: Laboratory) -> NoiseFloor | None:
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
    noise = noise_floor(first, second, budget_s=budget_s, seed=lab.comparisons, clock=now_ns)
    lab.smallest, lab.pair_s = noise.delta, noise.spent_s / noise.pairs
    return noise

"""Where experiments are made: the baseline, the machine, the noise, the budget, and what is built already."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hasten.base.errors import HastenError
from hasten.base.records.comparison import Comparison
from hasten.base.records.machine import Machine
from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee, Stage
from hasten.measurement.paired import LEAST_BLOCK_S, LEAST_STEPS, compare
from hasten.techniques.applying import apply_all, apply_each
from hasten.techniques.dry_run import dry_run
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning.bench import LONG_STEP_S, WARM_STEPS, Bench
from hasten.tuning.budget import Budget, now_ns
from hasten.tuning.busy import ALL, Free
from hasten.tuning.gates import Reference, steps_of
from hasten.tuning.known import EvidenceStore, FileStore

Plan = tuple[Technique, ...]
"""Techniques that are used together, in no particular order."""

KEPT_BENCHES = (4, 24)
"""At least, at most; between, as many as fit into `BENCH_MEMORY`."""
BENCH_MEMORY = 0.25
"""Of the machine's memory, for the parameters, gradients and moments of benches that are kept."""
GATE_SLACK = 3.0
"""Times the steps of a gate that it is planned to take before one was asked: its reference, copies and comparisons
come on top, and where it is in doubt three more branches of the baseline."""
CONFIRMATION_SLACK = 1.5
"""Times what measuring the plan afresh takes on a quiet machine that is kept for it."""
LEAST_CONFIRMATION = 0.5
"""Of what is planned for that: a proof that leaves less is not begun."""
FEWEST_CONFIRMED, MOST_CONFIRMED = 5, 40
"""Pairs in which the plan is measured afresh."""


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


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass
class Laboratory:
    """The context of one tuning.

    Attributes:
        smallest: the least relative difference that counts as one.
        proven: plans that keep their guarantee -> what the gate said; None where techniques were accepted without it.
        store: what earlier tunings have shown.
        earlier_s: seconds of the budget that they have used.
    """

    recipe: Recipe
    machine: Machine
    budget: Budget
    reference: Reference
    hints: Hints = field(default_factory=Hints)
    accept: frozenset[str] = frozenset()  # techniques that are kept without proof of their guarantee
    smallest: float = 0.01
    step_s: float = 0.0  # of the baseline
    build_s: float = 0.0  # that building it takes, with its first steps
    gate_s: dict[Guarantee, float] = field(default_factory=dict[Guarantee, float])  # the longest gate so far
    comparisons: int = 0
    noise: float | None = None  # standard deviation of the logarithm of a block's time, once it is known
    drift: float | None = None  # standard deviation over time of the logarithm of what the plan gains, once it is known
    free: Free = ALL  # threads that blocks are timed on
    proven: dict[frozenset[Technique], Gate | None] = field(default_factory=dict[frozenset[Technique], Gate | None])
    store: EvidenceStore = field(default_factory=FileStore)
    earlier_s: float = 0.0
    tell: Callable[[str], object] = silent  # called with what the budget can decide, before it is spent
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

    Plans that differ in the forward pass alone share one model and optimizer.

    Raises:
        Refused: if the first step with the plan fails; names the technique and the layer.
    """
    key = frozenset(plan)
    if key not in lab.benches:
        try:
            built = [bench.run for bench in lab.benches.values()]
            lab.benches[key] = Bench(recipe_with(lab, plan), beside=built)
        except HastenError:
            raise
        except Exception:
            dry_run(list(apply_each(plan, lab.recipe, lab.machine)), lab.recipe)
            raise  # the first step alone did not fail
    lab.benches.move_to_end(key)
    while len(lab.benches) > _kept_benches(lab, lab.benches[key]):
        lab.benches.popitem(last=False)
    return lab.benches[key]


def _kept_benches(lab: Laboratory, bench: Bench) -> int:
    held = 4 * sum(one.numel() * one.element_size() for one in bench.run.parameters)
    gpu = None if lab.recipe.device.is_host else lab.machine.gpu
    memory = lab.machine.memory_bytes if gpu is None else gpu.memory_bytes
    least, most = KEPT_BENCHES
    return max(least, min(most, int(BENCH_MEMORY * memory / max(held, 1))))


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


def steps_per_block(step_s: float) -> int:
    """Return how many steps of that length make a block: at least 50 ms and 3 steps, or one long step."""
    return max(1 if step_s >= LONG_STEP_S else LEAST_STEPS, math.ceil(LEAST_BLOCK_S / max(step_s, 1e-9)))


def building_steps(step_s: float) -> int:
    """Return how many steps a bench makes before it is used."""
    return 4 * (1 if step_s >= LONG_STEP_S else WARM_STEPS)


def pair_s(lab: Laboratory) -> float:
    """Return about how long a pair of blocks of the baseline takes, with the steps that are not timed."""
    return 2 * lab.step_s * (steps_per_block(lab.step_s) + 1)


def confirmation_s(lab: Laboratory, plan: Iterable[Technique]) -> float:
    """Return how long measuring a plan afresh is planned to take at least, with what it costs once more to set up."""
    building_s = 2 * max(building_steps(lab.step_s) * lab.step_s, lab.build_s)
    return CONFIRMATION_SLACK * (FEWEST_CONFIRMED * pair_s(lab) + building_s) + sum(
        lab.setup_s.get(one, one.card.setup_s) for one in plan
    )


def least_confirmation_s(lab: Laboratory, plan: Iterable[Technique]) -> float:
    """Return how long measuring a plan afresh takes where time is short: few pairs, on a quiet machine."""
    return LEAST_CONFIRMATION * confirmation_s(lab, plan)


def proof_s(lab: Laboratory, guarantee: Guarantee) -> float:
    """Return about how long the gate of a guarantee takes: as long as it took, else by its steps."""
    return lab.gate_s.get(guarantee, GATE_SLACK * steps_of(guarantee) * lab.step_s)

"""The search that hasten had before, on a simulated machine: each factor alone against the baseline, then combined.

A first look at each, within half of the time; what is certainly faster is added one by one; what was unclear is looked
at again beside the plan; each factor of the plan is left out once. Kept to compare with.
"""

from simulated import Simulated

from hasten.base.records.comparison import Comparison, Verdict
from hasten.measurement.confidence_sequence import FEWEST_READINGS
from hasten.measurement.paired import compare, noise_floor
from hasten.tuning.search.factors import NONE, Setting

FIRST_LOOK, LONGER, NOISE_SHARE, LONGEST_NOISE_S = 0.5, 2.0, 0.1, 10.0


class OneAtATime:
    """One search of the old kind; `run` returns the plan."""

    def __init__(self, ground: Simulated, count: int) -> None:
        self.ground, self.count = ground, count
        self.delta, self.pair_s, self.seed = 0.01, 0.0, 0

    def run(self) -> Setting:
        ground = self.ground
        ground.ready(NONE)
        ground.ready(frozenset({self.count}))  # the baseline a second time
        step_s = ground.truth.step_s
        self.pair_s = 2 * (max(0.05, 3 * step_s) + step_s)
        if self.least_s() > ground.left_s():
            return NONE
        noise = noise_floor(
            self.side(NONE), self.side(frozenset({self.count})), clock=ground.now_ns,
            budget_s=min(LONGEST_NOISE_S, NOISE_SHARE * ground.budget_s),
        )  # fmt: skip
        self.delta, self.pair_s = noise.delta, noise.spent_s / noise.pairs
        survivors, unclear = dict[int, float](), dict[int, Comparison | None]()
        for number in range(self.count):
            spare_s = self.left_s(len(survivors))
            if spare_s < self.least_s():
                unclear[number] = None
                continue
            found = self.against(NONE, number, max(FIRST_LOOK * spare_s / (self.count - number), self.least_s()))
            if found.verdict is Verdict.FASTER:
                if self.passes(frozenset({number})):
                    survivors[number] = found.ratio.value
            elif found.verdict is Verdict.UNCLEAR:
                unclear[number] = found
        plan = NONE
        for place, number in enumerate(sorted(survivors, key=lambda one: -survivors[one])):
            if not plan:
                plan = frozenset({number})
                continue
            left_s = self.left_s(0)
            if left_s < self.least_s():
                continue
            budget_s = max(FIRST_LOOK * left_s / (len(survivors) - place), self.least_s())
            plan = self.added(plan, number, budget_s)
        order = sorted(unclear, key=lambda one: -(found.ratio.value if (found := unclear[one]) else 1.0))
        for place, number in enumerate(order):
            spare_s, earlier = self.left_s(len(plan)), unclear[number]
            again_s = LONGER * earlier.spent_s if earlier else 0.0
            budget_s = max(spare_s / (len(order) - place), again_s, self.least_s())
            if budget_s <= spare_s:
                plan = self.added(plan, number, budget_s)
        for number in sorted(plan)[:-1]:
            left_s = self.left_s(0)
            if len(plan) < 2 or left_s < self.least_s():
                continue
            found = self.against(plan - {number}, number, max(self.least_s(), left_s / len(plan)))
            if found.verdict is not Verdict.FASTER and found.ratio.value < 1 + found.delta:
                plan = plan - {number}
        return plan

    def least_s(self) -> float:
        return FEWEST_READINGS * self.pair_s + 16 * self.ground.truth.step_s

    def left_s(self, kept: int) -> float:
        return self.ground.left_s() - (2 * max(kept - 1, 0) + 1) * self.least_s()

    def added(self, plan: Setting, number: int, budget_s: float) -> Setting:
        found = self.against(plan, number, budget_s)
        faster = found.verdict is Verdict.FASTER and self.passes(plan | {number})
        return plan | {number} if faster else plan

    def passes(self, plan: Setting) -> bool:
        return not self.ground.unfit(plan, {})

    def against(self, base: Setting, number: int, budget_s: float) -> Comparison:
        ground, began_s = self.ground, self.ground.now_s
        self.seed += 1
        for setting in (base, base | {number}):
            ground.ready(setting)
        left_s = max(budget_s - (ground.now_s - began_s), FEWEST_READINGS * self.pair_s)
        return compare(
            self.side(base), self.side(base | {number}), budget_s=left_s, delta=self.delta, seed=self.seed,
            clock=ground.now_ns,
        )  # fmt: skip

    def side(self, setting: Setting):
        return lambda number: self.ground.steps(setting, number)

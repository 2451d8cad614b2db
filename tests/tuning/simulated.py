"""A simulated machine: settings with true gains, interactions and set-up costs, under noise with tails and bursts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hasten.tuning.search.factors import NONE, Factors, Setting
from hasten.tuning.search.ground import Infeasible
from hasten.tuning.search.model import Gain
from hasten.tuning.search.search import USUAL_PROOF

IN_DOUBT = 0.85
"""Of what is planned for a proof, where it is in doubt."""


@dataclass(frozen=True)
class Truth:
    """What is planted.

    Args:
        gains: true logarithm of the speed-up of each factor.
        interactions: of pairs, on top.
        noise: standard deviation of the logarithm of a block's time.
        tails: share of blocks whose noise is five times as large, and only ever slower.
        bursts_s: mean seconds between two bursts of foreign load; infinite for none.
        burst_s: mean seconds that a burst lasts.
        slower: times that work takes longer in a burst.
        luck: standard deviation of what one build of a setting is faster than another.
        begin_s: seconds of the budget that are spent before the search: the first build of a process, which pays for
            what all share, and blocks that show the noise.
        gate_s: seconds that are planned for a proof.
        doubt: share of proofs that are in doubt.
        wrong: factors that break their guarantee.
        failing: factors with which nothing can be built.
        apart: factors that cannot all be built together.
    """

    gains: Sequence[float]
    interactions: Mapping[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])
    noise: float = 0.02
    tails: float = 0.05
    bursts_s: float = math.inf
    burst_s: float = 0.3
    slower: float = 2.0
    luck: float = 0.0
    step_s: float = 0.01
    build_s: float = 0.3
    begin_s: float = 0.0
    gate_s: float = 0.5
    doubt: float = 0.2
    wrong: Setting = NONE
    failing: Setting = NONE
    apart: Setting = NONE

    def gain(self, setting: Setting) -> float:
        """Return the true logarithm of the speed-up of a setting."""
        pairs = (gain for (i, j), gain in self.interactions.items() if i in setting and j in setting)
        return math.fsum(self.gains[one] for one in setting) + math.fsum(pairs)


class Simulated:
    """A machine with a clock of its own on which settings are set up and timed."""

    least_block_s, least_steps = 0.05, 3

    def __init__(self, truth: Truth, factors: Factors, *, budget_s: float, seed: int) -> None:
        self.truth, self.factors, self.budget_s = truth, factors, budget_s
        self.now_s = truth.begin_s
        self.random, self.doubts = np.random.default_rng(seed), np.random.default_rng([seed, 1])
        self.setups: dict[Setting, float] = {}  # with the luck of the build
        self.gates = 0
        self.proven = {NONE}
        self._bursts = self._first_bursts()

    def _first_bursts(self) -> list[tuple[float, float]]:
        if math.isinf(self.truth.bursts_s):
            return []
        ends, at = list[tuple[float, float]](), 0.0
        while at < 3 * self.budget_s + 60:
            at += self.random.exponential(self.truth.bursts_s)
            ends.append((at, at := at + self.random.exponential(self.truth.burst_s)))
        return ends

    def works(self, work_s: float) -> float:
        """Let so much work be done, slower in bursts; return the seconds it took."""
        began, left = self.now_s, work_s
        for start, end in self._bursts:
            if end <= self.now_s:
                continue
            free = max(0.0, start - self.now_s)
            if left <= free:
                break
            self.now_s += free
            left -= free
            inside = min(left, (end - self.now_s) / self.truth.slower)
            self.now_s += inside * self.truth.slower
            left -= inside
            if left <= 0:
                return self.now_s - began
        self.now_s += left
        return self.now_s - began

    def step_s(self, setting: Setting) -> float:
        """Return the true seconds of a step."""
        return self.truth.step_s * math.exp(-self.truth.gain(setting) - self.setups.get(setting, 0.0))

    def ready(self, setting: Setting) -> None:
        if setting in self.setups:
            return
        self.works(self.setup_s(setting))
        if setting & self.truth.failing:
            raise Infeasible(frozenset({min(setting & self.truth.failing)}))
        if self.truth.apart and self.truth.apart <= setting:
            raise Infeasible(self.truth.apart)
        self.setups[setting] = self.truth.luck * self.random.normal()

    def steps(self, setting: Setting, number: int) -> float:
        """Make so many steps of a setting; return the seconds they took."""
        sigma = self.truth.noise
        more = sigma * self.random.normal()
        if self.random.random() < self.truth.tails:
            more += 5 * sigma * abs(self.random.normal())
        return self.works(number * self.step_s(setting) * math.exp(more))

    def block(self, setting: Setting) -> float:
        number = max(self.least_steps, math.ceil(self.least_block_s / self.step_s(setting)))
        self.steps(setting, 1)
        return math.log(self.steps(setting, number) / number)

    def now_ns(self) -> int:
        return round(self.now_s * 1e9)

    def built(self) -> list[Setting]:
        return list(self.setups)

    def block_s(self, setting: Setting) -> float:
        step_s = self.step_s(setting if setting in self.setups else NONE)
        return max(self.least_block_s, self.least_steps * step_s) + step_s

    def cost_s(self, setting: Setting, slower: float) -> float:
        return self.block_s(setting)

    def setup_s(self, setting: Setting) -> float:
        return self.truth.build_s + 8 * self.truth.step_s + self.factors.setup_s(setting)

    def left_s(self) -> float:
        return self.budget_s - self.now_s

    def proof_s(self, plan: Setting) -> float:
        return self.truth.gate_s if plan not in self.proven else 0.0

    def closing_s(self, plan: Setting) -> float:
        return self.proof_s(plan)

    def unfit(self, plan: Setting, gains: Mapping[int, Gain]) -> Setting:
        self.gates += 1
        in_doubt = self.doubts.random() < self.truth.doubt
        gate_s = self.truth.gate_s * (IN_DOUBT if in_doubt else USUAL_PROOF)
        if self.now_s + gate_s > self.budget_s:  # stopped before it says anything
            self.now_s = self.budget_s
            return plan
        self.now_s += gate_s
        broken = plan & self.truth.wrong
        if not broken:
            self.proven.add(plan)
        return broken


def burst_time_by_steps(truth: Truth, bursts: Sequence[tuple[float, float]], now_s: float, work_s: float) -> float:
    """Return the seconds that work takes, by small steps of time: the plain twin of `Simulated.works`."""
    tick, at, left = 1e-3, now_s, work_s
    while left > 0:
        slower = any(start <= at < end for start, end in bursts)
        left -= tick / (truth.slower if slower else 1.0)
        at += tick
    return at - now_s
